import json
import tarfile
from pathlib import Path

import pytest

from mlimage.cache import Cache
from mlimage.cli import main
from mlimage.content.entry import file_of_bytes
from mlimage.oci.archive import write_output
from mlimage.oci.model import SealedImage
from mlimage.oci.store import Store
from mlimage.oci.unpack import unpacked
from support.foreign import docker_save
from support.sealing import sealed, tar_of

METADATA = file_of_bytes(
    "opt/venv/lib/python3.11/site-packages/numpy-2.dist-info/METADATA",
    b"Name: numpy\nVersion: 2.0\n",
    origin="t",
)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    monkeypatch.setenv("MLIMAGE_CACHE", str(tmp_path / "cache"))
    return Cache(tmp_path / "cache")


@pytest.fixture
def image(cache: Cache) -> SealedImage:
    return sealed(Store(cache.store), packages=[METADATA], app=[file_of_bytes("app/x", b"1", origin="t")])


def mlimage(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_inspect_shows_all(image: SealedImage, capsys: pytest.CaptureFixture[str]) -> None:
    assert mlimage("inspect", "demo") == 0
    sizes = [layer.blob.size for layer in image.layers]
    assert capsys.readouterr().out == (
        f"""\
image:       demo:cpu
digest:      {image.digest}
image id:    {image.image_id}
platform:    linux/amd64
created:     2026-05-04T03:02:01Z
size:        {sum(sizes)} B packed, 7.7 kB unpacked
user:        65532
entry point: /bin/entry
command:     serve
folder:      /app
ports:       8080/tcp
environment:
  PATH=/usr/bin:/bin
  LANG=C.UTF-8
labels:
  dev.mlimage.variant=cpu

layers, bottom first
LAYER     DIGEST        FILES  PACKAGES  PACKED  UNPACKED
packages  {image.layers[0].blob.digest.short}      1         1   {sizes[0]} B    5.1 kB
app       {image.layers[1].blob.digest.short}      1         -   {sizes[1]} B    2.6 kB

packages
TYPE    PACKAGE  VERSION  LAYER
python  numpy        2.0  packages
"""
    )


def test_inspect_as_json(image: SealedImage, capsys: pytest.CaptureFixture[str]) -> None:
    assert mlimage("inspect", "demo", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == [
        "name", "digest", "image_id", "platform", "created", "size", "uncompressed_size", "layers", "config",
    ]  # fmt: skip
    assert found["layers"][0] == {
        "name": "packages",
        "digest": image.layers[0].blob.digest,
        "diff_id": image.layers[0].diff_id,
        "media_type": "application/vnd.oci.image.layer.v1.tar+gzip",
        "size": image.layers[0].blob.size,
        "uncompressed_size": 5120,
        "files": 1,
        "packages": [{"type": "python", "name": "numpy", "version": "2.0"}],
    }
    assert found["config"]["Labels"] == {"dev.mlimage.variant": "cpu"}


@pytest.mark.parametrize("kind", ["oci", "oci-archive", "docker-archive"])
def test_inspect_reads_what_other_tools_take(
    kind: str, image: SealedImage, cache: Cache, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same is said as of the image in the store, but for what it is called."""
    place = f"{kind}:{tmp_path}/out"
    write_output(image, Store(cache.store), place)
    for options in ((), ("--json",)):
        said = []
        for name in ("demo:cpu", place):
            assert mlimage("inspect", name, *options) == 0
            said.append(capsys.readouterr().out.replace(name, "NAME"))
        assert said[0] == said[1]
    assert mlimage("inspect", f"{place}:other") == 2
    assert capsys.readouterr().err == (
        f"error: no image `other` in `{place}`\nhint: say which: `{place}:demo:cpu`\n"
    )


def test_inspect_of_an_archive_without_a_manifest(
    cache: Cache, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "old.tar"
    docker_save(path, tar_of(("x", tarfile.REGTYPE, b"1")))
    assert mlimage("inspect", f"docker-archive:{path}") == 0
    lines = capsys.readouterr().out.splitlines()
    assert not any(line.startswith("digest:") for line in lines)
    assert lines[-1].split() == ["layer-0", "-", "1", "-", "10.2", "kB", "10.2", "kB"]


def test_inspect_lists_images(image: SealedImage, capsys: pytest.CaptureFixture[str]) -> None:
    assert mlimage("inspect") == 0
    size = sum(layer.blob.size for layer in image.layers)
    assert capsys.readouterr().out == (
        "IMAGE     IMAGE ID      DIGEST        CREATED               LAYERS   SIZE\n"
        f"demo:cpu  {image.image_id.short}  {image.digest.short}  2026-05-04T03:02:01Z       2  {size} B\n"
    )
    assert mlimage("inspect", "--json") == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)] == ["demo:cpu"]


def test_inspect_lists_what_another_project_has_under_that_name(
    image: SealedImage, cache: Cache, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, here = Store(cache.store), tmp_path / "here"
    (here / "images/demo").mkdir(parents=True)
    (here / "images/demo/mlimage.yaml").touch()
    sealed(store, app=[])
    assert mlimage("inspect", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)) == 1, "it is nobody's"
    store.take_up(image, here)
    assert mlimage("inspect", "--json") == 0
    first, second = json.loads(capsys.readouterr().out)
    assert (first["name"], first["named"], first["projects"]) == ("demo:cpu", True, [])
    assert (second["name"], second["named"], second["projects"]) == ("demo:cpu", False, [str(here)])
    assert second["image_id"] == image.image_id
    assert mlimage("inspect") == 0
    assert capsys.readouterr().out.splitlines()[2].startswith(f"(demo:cpu)  {image.image_id.short}  ")


def test_one_variant(image: SealedImage, cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    found = {}
    for variant in ("cpu", "cuda"):
        assert mlimage("inspect", "--json", "--variant", variant) == 0
        found[variant] = [each["name"] for each in json.loads(capsys.readouterr().out)]
    assert found == {"cpu": ["demo:cpu"], "cuda": []}
    assert mlimage("inspect", "demo", "--variant", "cpu", "--json") == 0
    assert json.loads(capsys.readouterr().out)["digest"] == image.digest
    assert mlimage("inspect", "demo", "--variant", "cuda") == 2
    assert "no image `demo:cuda` in the store" in capsys.readouterr().err


def test_inspect_of_nothing(cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    assert mlimage("inspect") == 0
    assert capsys.readouterr().out == "no images in the store; `mlimage build` makes one\n"
    assert mlimage("inspect", "digits") == 2
    assert capsys.readouterr().err == (
        "error: no image `digits` in the store\nhint: build it: `mlimage build digits`\n"
    )


def test_cache_ls(image: SealedImage, cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    assert mlimage("cache", "ls", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["folder"] == str(cache.root)
    assert {part["name"]: part["count"] for part in found["parts"]} == {
        "inputs": 0, "metadata": 0, "roots": 0, "bytecode": 0, "layers": 0, "scans": 0, "store": 4,
        "apps": 0, "advisories": 0, "unpacked": 0, "inventories": 0,
    }  # fmt: skip
    assert mlimage("cache", "ls") == 0
    assert capsys.readouterr().out.startswith(f"{cache.root}: ")


def test_cache_prune(image: SealedImage, cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    assert mlimage("cache", "prune") == 0
    assert capsys.readouterr().out == "freed 0 B\n"
    assert mlimage("cache", "prune", "--all", "--dry-run") == 0
    assert capsys.readouterr().out.splitlines()[-2:][0] == "image: demo:cpu"
    with cache.in_use():
        assert mlimage("cache", "prune", "--all") == 2
    assert capsys.readouterr().err == (
        f"error: another run of mlimage uses the cache `{cache.root}`\nhint: wait until it has ended\n"
    )
    assert mlimage("cache", "prune", "--all", "--older-than", "1x") == 2
    assert capsys.readouterr().err == "error: no span of time: `1x`\nhint: write `12h`, `30d` or `2w`\n"
    assert mlimage("cache", "prune", "--all", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["deleted"], found["images"], len(found["removals"])) == (True, ["demo:cpu"], 4)
    assert Store(cache.store).images() == ()


def test_cache_prune_of_nothing(cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    assert mlimage("cache", "prune") == 0
    assert capsys.readouterr().out == "would free 0 B\n"
    assert not cache.root.exists()


def test_cache_verify(image: SealedImage, cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    assert mlimage("cache", "verify") == 0
    assert capsys.readouterr().out.startswith("read 4 files, ")
    path = Store(cache.store).blob(image.layers[0].blob.digest)
    path.write_bytes(b"")
    assert mlimage("cache", "verify") == 8
    shown = capsys.readouterr()
    assert shown.out.splitlines()[1:] == [f"damaged, removed: {path}", "incomplete: demo:cpu"]
    assert shown.err == "error: 1 damaged file, 1 incomplete image\nhint: `mlimage build demo`\n"


def test_cache_verify_looks_at_unpacked_trees(
    image: SealedImage, cache: Cache, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(cache.store)
    tree = unpacked(image, store, cache)
    (cache.roots / "old/usr").mkdir(parents=True)
    assert mlimage("cache", "verify", "--deep") == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "read 1 unpacked tree",
        f"not checked: {cache.roots}/old: an earlier mlimage unpacked it, without an inventory",
    ]
    (tree / "app/x").write_bytes(b"2")
    (tree / "app/y").write_bytes(b"2")
    assert mlimage("cache", "verify", "--keep", "--json") == 8
    found = json.loads(capsys.readouterr().out)["trees"]
    assert (found["checked"], found["unknown"]) == (1, [f"{cache.roots}/old"])
    assert [(each["path"], each["changes"]) for each in found["damaged"]] == [(str(tree), 2)]
    assert mlimage("cache", "verify") == 8
    shown = capsys.readouterr()
    assert shown.out.splitlines()[1] == "looked at 1 unpacked tree"
    assert shown.out.splitlines()[2].startswith(f"damaged, removed: {tree}: `/app/")
    assert shown.out.splitlines()[2].endswith(", and 1 more")
    assert shown.err == "error: 0 damaged files, 0 incomplete images, 1 damaged tree\n"
    assert not tree.exists()
    assert (unpacked(image, store, cache) / "app/x").read_bytes() == b"1"
