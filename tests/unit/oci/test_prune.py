import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mlimage.atomic import PARTIAL
from mlimage.cache import Cache
from mlimage.content.entry import file_of_bytes
from mlimage.digest import Digest
from mlimage.oci.model import SealedImage
from mlimage.oci.prune import plan_prune, prune, seconds_of
from mlimage.oci.records import LayerRecords
from mlimage.oci.reference import resolve
from mlimage.oci.store import Store
from mlimage.oci.survey import survey
from mlimage.oci.unpack import unpacked, unpacked_in_use
from mlimage.oci.verify import to_verify, verify
from support.sealing import packed, sealed

FILE = file_of_bytes("x", b"content", origin="test")
LATER = time.time() + 3600


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path)


@pytest.fixture
def store(cache: Cache) -> Store:
    return Store(cache.store)


@pytest.fixture
def image(cache: Cache, store: Store) -> SealedImage:
    """An image in the store that is unpacked, whose layer is recorded, and that a fetched file went into."""
    image = sealed(store, app=[FILE])
    LayerRecords(cache.layers, store).put(Digest.of(b"key"), image.layers[0])
    unpacked(image, store, cache)
    cache.scans.mkdir()
    (cache.scans / f"{image.layers[0].blob.digest.hex}.json").write_bytes(b"{}")
    fetched = cache.input(Digest.of(b"wheel"))
    fetched.parent.mkdir(parents=True)
    fetched.write_bytes(b"wheel")
    return image


def run(
    cache: Cache, store: Store, *, everything: bool = False, before: float = LATER, now: float = LATER
) -> list[tuple[str, str]]:
    plan = plan_prune(cache, store, everything=everything, before=before, now=now)
    return [(removal.kind, removal.path.name) for removal in prune(plan, store, now=now)]


def test_what_images_need_stays(cache: Cache, store: Store, image: SealedImage) -> None:
    assert run(cache, store) == []
    assert resolve(store, "demo") == image


def test_what_no_image_needs_goes(cache: Cache, store: Store, image: SealedImage) -> None:
    second = sealed(store, app=[])
    old = sorted(digest.hex for digest in (image.digest, image.image_id, image.layers[0].blob.digest))
    assert run(cache, store) == [
        *(("blob", name) for name in old),
        ("scan of a layer", f"{image.layers[0].blob.digest.hex}.json"),
        ("record of a layer", f"{Digest.of(b'key').hex}.json"),
        ("unpacked image", image.image_id.hex),
        ("inventory", image.image_id.hex),
    ]
    assert store.images() == (second,)
    assert (tuple(cache.unpacked.iterdir()), tuple(cache.layers.iterdir())) == ((), ())
    assert cache.input(Digest.of(b"wheel")).exists()


def test_a_dry_run_deletes_nothing(cache: Cache, store: Store, image: SealedImage) -> None:
    before = sorted(cache.root.rglob("*"))
    assert plan_prune(cache, store, everything=True, before=LATER, now=LATER).names == ("demo:cpu",)
    assert sorted(cache.root.rglob("*")) == before


def test_everything(cache: Cache, store: Store, image: SealedImage) -> None:
    for folder in (cache.roots / "abc/usr", cache.bytecode / "abc/usr", cache.metadata, cache.advisories):
        folder.mkdir(parents=True)
        (folder / "file").write_bytes(b"1")
    kinds = {kind for kind, _ in run(cache, store, everything=True)}
    assert kinds == {
        *("blob", "record of a layer", "unpacked image", "fetched file", "metadata", "base"),
        *("compiled modules", "scan of a layer", "advisories", "inventory"),
    }
    assert store.tags() == {}
    assert {part.name: part.count for part in survey(cache)} == dict.fromkeys(
        (
            "inputs",
            "metadata",
            "roots",
            "bytecode",
            "layers",
            "scans",
            "store",
            "apps",
            "advisories",
            "unpacked",
            "inventories",
        ),
        0,
    )


def test_compiled_modules_go_with_their_base(cache: Cache, store: Store) -> None:
    for folder in (cache.roots / "abc/usr", cache.bytecode / "abc/usr", cache.bytecode / "def/usr"):
        folder.mkdir(parents=True)
    assert run(cache, store) == [("compiled modules", "def")]


def test_only_what_is_old(cache: Cache, store: Store, image: SealedImage) -> None:
    assert run(cache, store, everything=True, before=time.time() - 3600) == []
    path = cache.input(Digest.of(b"wheel"))
    os.utime(path, (0, 0))
    assert run(cache, store, everything=True, before=time.time() - 3600) == [("fetched file", path.name)]


def test_what_killed_processes_left(cache: Cache, store: Store, image: SealedImage) -> None:
    for folder in (cache.root, cache.roots, cache.unpacked):
        (folder / f"{PARTIAL}x/usr").mkdir(parents=True)
    for folder in (cache.layers, store.folder, store.blobs):
        (folder / f"{PARTIAL}y").write_bytes(b"1")
    assert run(cache, store, now=time.time()) == [], "they may be at work"
    assert run(cache, store, now=time.time() + 90_000) == [
        *[("unfinished", f"{PARTIAL}x")] * 3,
        *[("unfinished", f"{PARTIAL}y")] * 3,
    ]


def test_an_image_that_runs_stays(cache: Cache, store: Store, image: SealedImage) -> None:
    with unpacked_in_use(image, store, cache) as folder:
        sealed(store, app=[])
        assert "unpacked image" not in {kind for kind, _ in run(cache, store)}
        assert (folder / "x").read_bytes() == b"content"
    assert run(cache, store) == [("unpacked image", image.image_id.hex)]


def test_a_name_of_an_image_that_is_gone(cache: Cache, store: Store, image: SealedImage) -> None:
    store.blob(image.config.digest).unlink()
    run(cache, store)
    assert store.tags() == {}


def test_alone_and_in_use(cache: Cache) -> None:
    with cache.in_use(), cache.in_use(), cache.alone() as alone:
        assert not alone
    with cache.alone() as alone:
        assert alone


def test_verify(cache: Cache, store: Store, image: SealedImage) -> None:
    wheel = cache.input(Digest.of(b"wheel"))
    layer = store.blob(image.layers[0].blob.digest)
    good = verify(to_verify(cache, store), store, remove=True, advance=lambda _: None)
    assert (good.checked, good.damaged, good.incomplete) == (4, (), ())
    wheel.write_bytes(b"weasel")
    layer.write_bytes(bytes(image.layers[0].blob.size))
    for remove in (False, True):
        done: list[int] = []
        found = verify(to_verify(cache, store), store, remove=remove, advance=done.append)
        assert set(found.damaged) == {wheel, layer}
        assert found.incomplete == ("demo:cpu",)
        assert sum(done) == found.size
        assert (wheel.exists(), layer.exists()) == (not remove, not remove)
    again = verify(to_verify(cache, store), store, remove=True, advance=lambda _: None)
    assert (again.damaged, again.incomplete) == ((), ("demo:cpu",))
    assert packed(store, "app", [FILE]) == image.layers[0]
    assert replace(again, checked=3, size=0, incomplete=()) == replace(
        verify(to_verify(cache, store), store, remove=True, advance=lambda _: None), checked=3, size=0
    )


def test_an_empty_cache(cache: Cache, store: Store) -> None:
    assert run(cache, store, everything=True) == []
    assert to_verify(cache, store) == ()
    assert sum(part.size for part in survey(cache)) == 0


@pytest.mark.parametrize(
    ("text", "seconds"), [("90m", 5400), ("12h", 43_200), ("30d", 2_592_000), ("2w", 1_209_600)]
)
def test_spans(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "d", "1", "-1d", "1.5h", "1y", "1 d", "²d"])
def test_no_spans(text: str) -> None:
    with pytest.raises(ValueError, match="no span of time"):
        seconds_of(text)
