import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pytest

from mlimage.atomic import PARTIAL
from mlimage.content.entry import Entry, Kind, file_of_bytes
from mlimage.digest import Digest
from mlimage.errors import BuildError, MlimageWarning
from mlimage.oci.blobs import sweep
from mlimage.oci.layer import pack
from mlimage.oci.model import LAYER, Descriptor
from mlimage.oci.records import LayerRecords
from mlimage.oci.seal import seal
from mlimage.oci.store import Store
from mlimage.plan.model import Compression
from support.sealing import packed, plan_of, sealed

FILE = file_of_bytes("x", b"content", origin="test")


def test_a_sealed_image_is_what_the_store_gives_back(tmp_path: Path) -> None:
    store = Store(tmp_path)
    image = sealed(store, base=[FILE], app=[])
    assert store.images() == (image,)
    assert Store(tmp_path).load(image.manifest) == image
    assert [layer.name for layer in image.layers] == ["base", "app"]
    assert image.layers[0].uncompressed_size == 512 + 512 + 1024


def test_the_configuration(tmp_path: Path) -> None:
    store = Store(tmp_path)
    image = sealed(store, app=[FILE])
    assert json.loads(store.read(image.config)) == {
        "architecture": "amd64",
        "os": "linux",
        "created": "2026-05-04T03:02:01Z",
        "config": {
            "User": "65532",
            "ExposedPorts": {"8080/tcp": {}},
            "Env": ["PATH=/usr/bin:/bin", "LANG=C.UTF-8"],
            "Entrypoint": ["/bin/entry"],
            "Cmd": ["serve"],
            "WorkingDir": "/app",
            "Labels": {"dev.mlimage.variant": "cpu"},
            "StopSignal": "SIGTERM",
        },
        "rootfs": {"type": "layers", "diff_ids": [image.layers[0].diff_id]},
        "history": [
            {"created": "2026-05-04T03:02:01Z", "created_by": "mlimage app", "comment": "application"}
        ],
    }


def test_the_image_id_does_not_depend_on_the_compressor(tmp_path: Path) -> None:
    store = Store(tmp_path)
    images = [
        seal(plan_of(["app"]), [packed(store, "app", [FILE], compression=compression)], store)
        for compression in Compression
    ]
    assert len({image.image_id for image in images}) == 1
    assert len({image.digest for image in images}) == len(Compression)


def test_a_second_build_takes_the_name(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = sealed(store, app=[FILE])
    index = (tmp_path / "index.json").stat()
    assert sealed(store, app=[FILE]) == first
    assert (tmp_path / "index.json").stat().st_ino == index.st_ino, (
        "an index that says the same is not rewritten"
    )
    second = sealed(store, app=[])
    assert store.images() == (second,)
    assert store.load(first.manifest) == first


def test_too_many_layers(tmp_path: Path) -> None:
    store = Store(tmp_path)
    blob = packed(store, "x", [])
    names = [str(number) for number in range(128)]
    layers = [type(blob)(name=n, diff_id=blob.diff_id, blob=blob.blob, uncompressed_size=1) for n in names]
    with pytest.raises(BuildError) as caught:
        seal(plan_of(names), layers, store)
    assert str(caught.value) == "`demo:cpu` would have 128 layers, and Docker runs at most 127"
    assert caught.value.hint == "raise `layers.single` or lower `layers.bins` in the spec"


def test_a_layer_that_is_not_in_the_store(tmp_path: Path) -> None:
    store = Store(tmp_path)
    layer = packed(store, "app", [FILE])
    store.blob(layer.blob.digest).unlink()
    with pytest.raises(BuildError) as caught:
        seal(plan_of(["app"]), [layer], store)
    assert str(caught.value) == f"layer `app` of `demo:cpu` is not in the store: {layer.blob.digest}"


def test_layers_of_another_plan(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(ValueError, match="not those of the plan"):
        seal(plan_of(["app"]), [packed(store, "base", [])], store)


def test_a_damaged_manifest_and_configuration(tmp_path: Path) -> None:
    store = Store(tmp_path)
    image = sealed(store, app=[FILE])
    for blob in (image.config, image.manifest):
        path = store.blob(blob.digest)
        good = path.read_bytes()
        path.write_bytes(good.replace(b"a", b"b", 1))
        with pytest.raises(BuildError) as caught:
            store.images()
        assert str(caught.value) == f"the store's {blob.digest} is damaged"
        assert caught.value.hint == "build the image again, or pull it again"
        path.unlink()
        with pytest.raises(BuildError) as caught:
            store.images()
        assert str(caught.value) == f"the store lacks {blob.digest}"
        path.write_bytes(good)
    assert store.images() == (image,)


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"{}", b'{"manifests":[{}]}', b'{"manifests":[1]}', b'{"manifests":1}', b"\xff", b"null"],
)
def test_a_damaged_index(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "index.json").write_bytes(text)
    with pytest.raises(BuildError) as caught:
        Store(tmp_path).images()
    assert str(caught.value) == f"the index of the store is damaged: `{tmp_path}/index.json`"


def test_putting_repairs_a_damaged_blob(tmp_path: Path) -> None:
    store = Store(tmp_path)
    blob = store.put(b"good", LAYER)
    store.blob(blob.digest).write_bytes(b"evil")
    assert store.put(b"good", LAYER) == blob
    assert store.read(blob) == b"good"


def test_a_wrong_size_that_somebody_else_says_damages_no_blob(tmp_path: Path) -> None:
    store = Store(tmp_path)
    blob = store.put(b"content", LAYER)
    assert not store.is_sound(replace(blob, size=3))
    assert store.is_sound(blob)


def test_a_writer_that_is_left_early_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def interrupted() -> None:
        with store.blob_writer() as writer:
            writer.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(store.blobs.iterdir()) == []


def test_packing_that_fails_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    bad = Entry(path="y", kind=Kind.FILE, mode=0o644, origin="app", size=9, open=FILE.open)
    with pytest.raises(BuildError):
        packed(store, "app", [FILE, bad])

    def stop(_: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        pack([FILE], name="app", compression=Compression.GZIP, store=store, advance=stop)
    assert list(store.blobs.iterdir()) == []


def test_unfinished_blobs_are_swept_when_nobody_writes_them(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put(b"1", LAYER)
    left = store.blobs / f"{PARTIAL}left"
    left.write_bytes(b"123")
    with store.blob_writer() as writer:
        writer.write(b"4")
        assert list(sweep(store.blobs, before=0)) == []
        assert list(sweep(store.blobs, before=time.time() + 60)) == [(left, 3)]
        assert writer.commit(LAYER) == Descriptor(media_type=LAYER, digest=Digest.of(b"4"), size=1)


KILLED = """
import sys, os
sys.path[:0] = {path!r}
from pathlib import Path
from support.sealing import packed, sealed
from mlimage.content.entry import file_of_bytes
from mlimage.oci.store import Store
print("ready", flush=True)
for number in range(1000):
    sealed(Store(Path({store!r})), app=[file_of_bytes("x", os.urandom(3_000_000), origin="test")])
    print("sealed", flush=True)
"""


def test_kill_9_at_any_moment_leaves_whole_images_and_a_store_that_works(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for number in range(10):
        code = KILLED.format(path=sys.path, store=str(tmp_path))
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            for _ in range(number % 4):
                assert process.stdout.readline() == b"sealed\n"
            time.sleep(0.01 * number)
            process.send_signal(signal.SIGKILL)
        for image in store.images():
            for layer in image.layers:
                assert Digest.of_file(store.blob(layer.blob.digest)) == layer.blob.digest
        for path in store.blobs.glob("*"):
            assert path.name.startswith(PARTIAL) or Digest.of_file(path).hex == path.name
    assert store.tags()
    assert sealed(store, app=[FILE]) in store.images()


def _seal_many(folder: str, worker: int) -> None:
    for number in range(10):
        sealed(Store(Path(folder)), image=f"image{worker}-{number}", app=[FILE])
        sealed(Store(Path(folder)), image="shared", app=[FILE] if number % 2 else [])


def test_many_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        for done in [pool.submit(_seal_many, str(tmp_path), worker) for worker in range(4)]:
            done.result()
    names = [image.name for image in Store(tmp_path).images()]
    expected = [f"image{worker}-{number}:cpu" for worker in range(4) for number in range(10)]
    assert names == sorted([*expected, "shared:cpu"])


def test_blobs_are_readable_by_all_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        blob = Store(tmp_path).put(b"1", LAYER)
    finally:
        os.umask(before)
    assert Store(tmp_path).blob(blob.digest).stat().st_mode & 0o777 == 0o644


def test_records(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    records = LayerRecords(tmp_path / "layers", store)
    layer = packed(store, "app", [FILE])
    key = Digest.of(b"key")
    assert records.get(key) is None
    records.put(key, layer)
    assert records.get(key) == layer
    record = tmp_path / "layers" / f"{key.hex}.json"
    good = record.read_bytes()
    for damaged in (
        b"",
        b"{}",
        b"[]",
        good[:-9],
        good.replace(b"sha256:", b"sha1:"),
        good.replace(b'"name"', b'"n"'),
    ):
        record.write_bytes(damaged)
        assert records.get(key) is None
    record.write_bytes(good)
    path = store.blob(layer.blob.digest)
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    said = f"layer `app` in the store is damaged: {layer.blob.digest}; it is built or pulled again"
    with pytest.warns(MlimageWarning, match=said):
        assert records.get(key) is None, "the blob has another size"
    assert not path.exists()
    assert records.get(key) is None, "the blob is gone"
    packed(store, "app", [FILE])
    assert records.get(key) == layer
