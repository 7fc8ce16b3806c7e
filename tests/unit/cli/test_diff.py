import json
from pathlib import Path

import pytest

from mlimage.cache import Cache
from mlimage.cli import main
from mlimage.content.entry import Entry, file_of_bytes
from mlimage.oci.archive import write_output
from mlimage.oci.model import SealedImage
from mlimage.oci.store import Store
from support.sealing import sealed

METADATA = "opt/venv/lib/python3.11/site-packages/numpy.dist-info/METADATA"


def file(path: str, content: bytes = b"") -> Entry:
    return file_of_bytes(path, content, origin="t")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("MLIMAGE_CACHE", str(tmp_path / "cache"))
    return Store(Cache(tmp_path / "cache").store)


@pytest.fixture
def images(store: Store) -> tuple[SealedImage, SealedImage]:
    return (
        sealed(
            store,
            image="old",
            base=[file("bin/sh")],
            numpy=[file(METADATA, b"Name: numpy\nVersion: 2.3\n")],
            app=[file("app/x", b"1"), file("app/y"), file("app/gone")],
        ),
        sealed(
            store,
            image="new",
            variant="cuda",
            base=[file("bin/sh")],
            numpy=[file(METADATA, b"Name: numpy\nVersion: 2.4\n")],
            app=[file("app/x", b"12"), file("app/y"), *(file(f"app/more/{n:02}") for n in range(12))],
        ),
    )


def mlimage(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_for_people(images: tuple[SealedImage, SealedImage], capsys: pytest.CaptureFixture[str]) -> None:
    assert mlimage("diff", "old", "new:cuda", "--deep") == 0
    old, new = images
    sizes = [[f"{layer.blob.size} B" for layer in image.layers] for image in images]
    shown = [[layer.diff_id.short for layer in image.layers] for image in images]
    assert capsys.readouterr().out == (
        f"""\
   IMAGE     DIGEST        IMAGE ID      PLATFORM
-  old:cpu   {old.digest.short}  {old.image_id.short}  linux/amd64
+  new:cuda  {new.digest.short}  {new.image_id.short}  linux/amd64

configuration
~  Labels dev.mlimage.variant
   - cpu
   + cuda

packages
   TYPE    PACKAGE  OLD  NEW
~  python  numpy    2.3  2.4

layers, bottom first; 1 unchanged
   LAYER  OLD           NEW           OLD SIZE  NEW SIZE  HOW
~  numpy  {shown[0][1]}  {shown[1][1]}     {sizes[0][1]}     {sizes[1][1]}  other entries
~  app    {shown[0][2]}  {shown[1][2]}     {sizes[0][2]}     {sizes[1][2]}  other entries

files of numpy
   FILE                                                             HOW
~  /opt/venv/lib/python3.11/site-packages/numpy.dist-info/METADATA  content

files of app
   FILE       HOW
-  /app/gone  file, 0 bytes
+  /app/more  directory with 12 more, 0 bytes
~  /app/x     content, 1 -> 2 bytes

/app/x: byte 1
  - ends at 1
  + 00000000  31 32                                            12

/opt/venv/lib/python3.11/site-packages/numpy.dist-info/METADATA: byte 23
  - 00000010  69 6f 6e 3a 20 32 2e 33 0a                       ion: 2.3.
  + 00000010  69 6f 6e 3a 20 32 2e 34 0a                       ion: 2.4.

different: 1 value of the configuration, 1 package, 2 layers, 16 files
"""
    )


def test_much_is_cut_off_for_people(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    sealed(store, image="old", app=[])
    sealed(store, image="new", app=[file(f"{n:02}") for n in range(12)])
    assert mlimage("diff", "old", "new") == 0
    out = capsys.readouterr().out.splitlines()
    assert out[8:] == [
        "files of app",
        "   FILE  HOW",
        *(f"+  /{n:02}   file, 0 bytes" for n in range(10)),
        "… and 2 more; --json lists all",
        "",
        "different: 1 layer, 12 files",
    ]


def test_as_json(images: tuple[SealedImage, SealedImage], capsys: pytest.CaptureFixture[str]) -> None:
    assert mlimage("diff", "old", "new", "--json", "--deep") == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["identical", "old", "new", "config", "packages", "layers", "files"]
    assert found["identical"] is False
    assert found["old"] == {
        "name": "old:cpu",
        "digest": images[0].digest,
        "image_id": images[0].image_id,
        "platform": "linux/amd64",
    }
    assert found["config"] == [{"key": "Labels", "name": "dev.mlimage.variant", "old": "cpu", "new": "cuda"}]
    assert found["packages"] == [{"type": "python", "name": "numpy", "old": ["2.3"], "new": ["2.4"]}]
    assert [(layer["status"], layer["reason"]) for layer in found["layers"]] == [
        ("same", None),
        ("changed", "entries"),
        ("changed", "entries"),
    ]
    assert found["layers"][2]["new"] == {
        "name": "app",
        "position": 2,
        "diff_id": images[1].layers[2].diff_id,
        "digest": images[1].layers[2].blob.digest,
        "size": images[1].layers[2].blob.size,
    }
    assert len(found["files"]) == 16
    change = found["files"][-2]
    assert (change["path"], change["parts"]) == ("/app/x", ["content", "size"])
    assert change["bytes"] == {"offset": 1, "end": 2, "at": 0, "old": "31", "new": "3132"}
    assert change["old"] == {
        "kind": "file",
        "mode": "0644",
        "uid": 0,
        "gid": 0,
        "size": 1,
        "digest": "sha256:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b",
        "target": "",
        "mtime": 1704067200,
        "layer": "app",
    }


def test_identical_images_and_exit_statuses(
    images: tuple[SealedImage, SealedImage],
    store: Store,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_output(images[0], store, f"oci-archive:{tmp_path}/old.tar")
    assert mlimage("diff", "old", f"oci-archive:{tmp_path}/old.tar", "--exit-code") == 0
    shown = capsys.readouterr()
    assert (shown.out.splitlines()[3:], shown.err) == (["", f"identical: both are {images[0].image_id}"], "")
    assert mlimage("diff", "old", "new", "--exit-code") == 8
    assert mlimage("diff", "old", "new", "--exit-code", "--json") == 8
    assert capsys.readouterr().err == ""


def test_what_cannot_be_compared(
    images: tuple[SealedImage, SealedImage], store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mlimage("diff", "old", "nex") == 2
    assert capsys.readouterr().err == (
        "error: no image `nex` in the store\nhint: did you mean `new`? else build it: `mlimage build nex`\n"
    )
    layer = images[1].layers[2].blob.digest
    store.blob(layer).unlink()
    assert mlimage("diff", "old", "new") == 7
    assert capsys.readouterr().err == (
        f"error: the store lacks layer `app`: {layer}\nhint: build the image again, or pull it again\n"
    )
    assert mlimage("diff", "old") == 2
    assert capsys.readouterr().err == (
        "error: missing argument `B`\nhint: `mlimage diff --help` shows what it takes\n"
    )


def test_layers_that_were_added_or_removed(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    sealed(store, image="old", a=[file("a")], b=[file("b")], app=[file("x")])
    sealed(store, image="new", c=[file("c")], d=[file("d")], app=[file("x", b"1")])
    sealed(store, image="few", a=[file("a")], d=[file("d")], app=[file("x")])
    assert mlimage("diff", "old", "new") == 0
    out = capsys.readouterr().out.splitlines()
    assert out[out.index("configuration") :][:3] == ["configuration", "~  history, 2 entries", ""]
    assert out[out.index("files of app") :] == [
        "files of app",
        "   FILE  HOW",
        "~  /x    content, 0 -> 1 byte",
        "",
        "files of 4 layers that were added or removed: --json lists them",
        "",
        "different: 1 value of the configuration, 5 layers, 5 files",
    ]
    assert mlimage("diff", "old", "few") == 0
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("files")] == [
        "files of b",
        "files of d",
    ]
