"""An image of a registry: what its reference means, and its layers in the store and in a folder."""

import gzip
import os
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mlimage.cache import Cache
from mlimage.content.entry import directory, file_of_bytes
from mlimage.digest import Digest
from mlimage.errors import BuildError, RegistryError
from mlimage.fetch import Http, Retry
from mlimage.lock.images import FoundImage
from mlimage.lock.model import ImageLayer
from mlimage.mirrors import Location, Mirrors
from mlimage.oci.images import RegistryImages, measured
from mlimage.oci.model import LAYER
from mlimage.oci.records import LayerRecords
from mlimage.oci.store import Store
from mlimage.platforms import LINUX_AMD64, Platform
from mlimage.progress import SILENT
from mlimage.spec.registry import parse_reference
from support.bases import Made, image_of, index_of, offer, tar_of_entries
from support.sealing import tar_of
from support.webserver import Fault, WebServer, web_server

FILE, DIR, CHR = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE
LOWER = tar_of(
    ("etc", DIR, ""), ("etc/old", FILE, b"old"), ("etc/kept", FILE, b"kept"), ("dev/null", CHR, ""),
    ("opt/gone/file", FILE, b"1"),
)  # fmt: skip
UPPER = tar_of(
    ("etc/.wh.old", FILE, b""), ("opt/gone/.wh..wh..opq", FILE, b""), ("opt/gone/new", FILE, b"2"),
    ("hard", tarfile.LNKTYPE, "etc/kept"),
)  # fmt: skip
IMAGE = image_of(LOWER, UPPER, env=["PATH=/bin"], docker=True)
INDEX = index_of(("linux/arm64", image_of(b"", architecture="arm64")), ("linux/amd64", IMAGE), docker=True)

Open = Callable[[str], RegistryImages]


class Nothing:
    """A task that counts nothing."""

    def advance(self, amount: int) -> None:
        pass


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as server:
        offer(server, "team/base", "1", INDEX)
        yield server


@pytest.fixture
def images(web: WebServer, cache: Cache) -> Iterator[Open]:
    with Http(retry=Retry(attempts=2, sleep=lambda _: None)) as http:
        yield lambda text: RegistryImages(
            parse_reference(text),
            http=http,
            mirrors=Mirrors(configured={"docker.io": (Location(web.origin),)}),
            cache=cache,
            environ={"HOME": "/nonexistent"},
            progress=SILENT,
        )


def layers_of(made: Made) -> tuple[ImageLayer, ...]:
    return tuple(
        ImageLayer(media_type=f"{LAYER}+gzip", digest=digest, size=len(made.blobs[digest]), diff_id=diff_id)
        for digest, diff_id in zip(made.layers, made.diff_ids, strict=True)
    )


def records(cache: Cache) -> LayerRecords:
    return LayerRecords(cache.layers, Store(cache.store))


def fetch(images: RegistryImages, layers: Sequence[ImageLayer]) -> list[Path]:
    return [images.fetch(layer, Nothing()) for layer in layers]


def test_what_a_tag_means(images: Open) -> None:
    assert images("team/base:1").find(LINUX_AMD64) == FoundImage(
        index=INDEX.digest,
        manifest=IMAGE.digest,
        config=next(iter(IMAGE.blobs)),
        env=(("PATH", "/bin"),),
        layers=layers_of(IMAGE),
    )


def test_an_image_without_an_index(images: Open, web: WebServer) -> None:
    offer(web, "team/base", "2", IMAGE)
    found = images("team/base:2").find(LINUX_AMD64)
    assert (found.index, found.manifest) == (IMAGE.digest, IMAGE.digest)


def test_a_digest_is_what_counts(images: Open, web: WebServer) -> None:
    assert images(f"team/base:gone@{INDEX.digest}").find(LINUX_AMD64).manifest == IMAGE.digest
    assert web.paths()[0] == f"/v2/team/base/manifests/{INDEX.digest}"


def refusal(images: RegistryImages, platform: Platform = LINUX_AMD64) -> tuple[str, str | None]:
    with pytest.raises(RegistryError) as caught:
        images.find(platform)
    return caught.value.message, caught.value.hint


def test_another_platform(images: Open, web: WebServer) -> None:
    offer(web, "team/base", "arm", index_of(("linux/arm64", IMAGE), ("linux/s390x", IMAGE)))
    assert refusal(images("team/base:arm")) == (
        "`docker.io/team/base:arm` is not there for `linux/amd64`",
        "it is there for `linux/arm64`, `linux/s390x`",
    )
    offer(web, "team/base", "none", index_of())
    assert refusal(images("team/base:none"))[1] == "its index names no platform"


def test_what_is_no_image(images: Open, web: WebServer) -> None:
    offer(web, "team/base", "chart", image_of(b"", layer_type="application/vnd.helm"))
    assert refusal(images("team/base:chart")) == (
        "`docker.io/team/base:chart` has a layer of a kind that is not known here: `application/vnd.helm`",
        "take another image as the base",
    )


def test_an_index_of_an_index(images: Open, web: WebServer) -> None:
    offer(web, "team/base", "inner", INDEX)
    nested = index_of(("linux/amd64", INDEX))
    for depth in range(1, 6):
        offer(web, "team/base", "nested", nested)
        if depth <= 4:
            found = images("team/base:nested").find(LINUX_AMD64)
            assert (found.index, found.manifest) == (nested.digest, IMAGE.digest)
        nested = index_of(("linux/amd64", nested))
    assert refusal(images("team/base:nested"))[0] == (
        "`docker.io/team/base:nested` has an index that cannot be read: the document is an index of indexes, "
        "deeper than 4"
    )


def test_layers_come_once_and_as_they_are(images: Open, web: WebServer, cache: Cache) -> None:
    opened = images("team/base:1")
    layers = layers_of(IMAGE)
    assert [path.read_bytes() for path in fetch(opened, layers)] == [
        IMAGE.blobs[each.digest] for each in layers
    ]
    asked = len(web.requests)
    fetch(opened, layers)
    fetch(images("team/base:1"), layers)
    assert len(web.requests) == asked == 2
    assert sorted(path.name for path in Store(cache.store).blobs.iterdir()) == sorted(
        each.digest.hex for each in layers
    )


def test_a_layer_that_was_damaged_in_the_store_comes_anew(images: Open) -> None:
    [path, _] = fetch(images("team/base:1"), layers_of(IMAGE))
    content = path.read_bytes()
    path.write_bytes(b"damaged")
    fetch(images("team/base:1"), layers_of(IMAGE))
    assert path.read_bytes() == content


def test_layers_onto_a_folder(images: Open, tmp_path: Path) -> None:
    opened = images("team/base:1")
    layers = layers_of(IMAGE)
    fetch(opened, layers)
    (root := tmp_path / "root").mkdir()
    opened.unpack(layers, root)
    found = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert found == {"etc/kept", "hard", "opt/gone/new"}


def test_what_is_unpacked_hands_out_no_rights(images: Open, web: WebServer, tmp_path: Path) -> None:
    program = file_of_bytes("bin/su", b"", origin="test", mode=0o4755, uid=1234)
    made = image_of(tar_of_entries([program, directory("tmp", origin="test", mode=0o1777)]))
    offer(web, "team/base", "su", made)
    opened = images("team/base:su")
    fetch(opened, layers_of(made))
    (root := tmp_path / "root").mkdir()
    opened.unpack(layers_of(made), root)
    status = (root / "bin/su").stat()
    assert (status.st_mode & 0o7777, status.st_uid) == (0o755, os.getuid())
    assert (root / "tmp").stat().st_mode & 0o7777 == 0o1777


def test_a_tar_that_is_not_what_the_image_says(
    images: Open, web: WebServer, cache: Cache, tmp_path: Path
) -> None:
    content = tar_of(("etc/other", FILE, b"other"))
    other = gzip.compress(content, mtime=0)
    made = image_of(LOWER, packed={0: other})
    offer(web, "team/base", "wrong", made)
    opened = images("team/base:wrong")
    layers = layers_of(made)
    fetch(opened, layers)
    (root := tmp_path / "root").mkdir()
    message = (
        f"layer `base-1`, {Digest.of(other)}, is not the tar that its image says: "
        f"expected {Digest.of(LOWER)}, got {Digest.of(content)}"
    )
    for refused in (
        lambda: opened.unpack(layers, root),
        lambda: measured(layers[0], name="base-1", store=Store(cache.store), records=records(cache)),
    ):
        with pytest.raises(BuildError) as caught:
            refused()
        assert caught.value.message == message


def test_a_layer_as_one_of_ours(images: Open, cache: Cache) -> None:
    [layer, _] = layers_of(IMAGE)
    fetch(images("team/base:1"), [layer])
    blob = measured(layer, name="base-1", store=Store(cache.store), records=records(cache))
    assert (blob.name, blob.diff_id, blob.blob.digest, blob.uncompressed_size) == (
        "base-1", layer.diff_id, layer.digest, len(LOWER),
    )  # fmt: skip
    with pytest.raises(BuildError, match=r"^the store lacks layer `x`"):
        measured(
            replace(layer, digest=Digest.of(b"")), name="x", store=Store(cache.store), records=records(cache)
        )


def test_a_layer_that_was_unpacked_is_not_read_again(images: Open, cache: Cache, tmp_path: Path) -> None:
    opened = images("team/base:1")
    layers = layers_of(IMAGE)
    fetch(opened, layers)
    (root := tmp_path / "root").mkdir()
    opened.unpack(layers, root)
    store = Store(cache.store)
    path = store.blob(layers[1].digest)
    times = path.stat()
    path.write_bytes(bytes(layers[1].size))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # what rots has no other time
    blob = measured(layers[1], name="base-7", store=store, records=records(cache))
    assert (blob.name, blob.uncompressed_size) == ("base-7", len(UPPER))


def test_a_layer_that_the_registry_has_no_more(images: Open, web: WebServer) -> None:
    web.spoil("/blobs/", Fault(status=404))
    with pytest.raises(RegistryError):
        fetch(images("team/base:1"), layers_of(IMAGE))
