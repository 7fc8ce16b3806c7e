"""Sealed images go into real engines: by their digest, only what is missing, and nothing stays half-made."""

import gc
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pytest

from mlimage.content.entry import file_of_bytes
from mlimage.daemon.bring import Brought, bring
from mlimage.daemon.connect import Daemon, connect
from mlimage.errors import BuildError, RunError
from mlimage.oci.archive import image_blobs
from mlimage.oci.model import SealedImage
from mlimage.oci.store import Store
from mlimage.progress import SILENT, Task, Unit
from support.cutting import way_to
from support.machine import CLASSIC, FULL, PODMANS, Engine, need_engine
from support.sealing import sealed

# The SDK forgets a socket that it could not connect.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

MEGABYTE = 1 << 20
NAME = f"mlimage-test-{os.getpid()}"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.fixture(autouse=True)
def _no_sockets_for_other_tests() -> Iterator[None]:
    yield
    gc.collect()


@contextmanager
def connected(engine: Engine) -> Iterator[Daemon]:
    """An engine, which other tests use at the same time."""
    found = connect(engine.environ)
    yield found
    for one in found.client.api.images(filters={"reference": f"{NAME}:*"}):
        found.client.api.remove_image(one["Id"], force=True)


@pytest.fixture
def daemon(engine: Engine) -> Iterator[Daemon]:
    with connected(engine) as found:
        yield found


def image_of(store: Store, base: bytes, app: bytes) -> SealedImage:
    """Two layers that no engine has: their content is random."""
    return sealed(
        store,
        image=NAME,
        base=[file_of_bytes("base", base, origin="test")],
        app=[file_of_bytes("app", app, origin="test")],
    )


def references(daemon: Daemon, image: SealedImage) -> set[str]:
    """All that the engine calls this image."""
    found: set[str] = set()
    for one in daemon.client.api.images(all=True):
        names = {one["Id"], *(one["RepoTags"] or ()), *(one["RepoDigests"] or ())}
        if any(digest in name for name in names for digest in (image.digest, image.image_id)):
            found |= names
    return found


def elsewhere(daemon: Daemon) -> Daemon:
    """The same engine, as if it did not reach our loopback."""
    return replace(daemon, facts=replace(daemon.facts, rootless=True))


def test_what_an_engine_lacks_is_pulled(daemon: Daemon, store: Store) -> None:
    image = image_of(store, os.urandom(MEGABYTE), os.urandom(1000))
    brought = bring(daemon, image, store, SILENT)
    assert brought == Brought(
        engine=daemon.facts.title,
        identity=image.digest,
        reference=f"{NAME}:cpu",
        way="pulled",
        moved=sum(blob.size for blob in image_blobs(image)),
    )
    assert references(daemon, image) == {image.digest, f"{NAME}:cpu", f"{NAME}@{image.digest}"}
    again = bring(daemon, image, store, SILENT)
    assert (again.way, again.moved) == ("there", 0)


def test_after_a_small_change_one_layer_travels(daemon: Daemon, store: Store) -> None:
    base = os.urandom(MEGABYTE)
    bring(daemon, image_of(store, base, os.urandom(1000)), store, SILENT)
    changed = image_of(store, base, os.urandom(1000))
    brought = bring(daemon, changed, store, SILENT)
    small = (changed.manifest, changed.config, changed.layers[1].blob)
    assert (brought.way, brought.moved) == ("pulled", sum(blob.size for blob in small))
    (named,) = daemon.client.images.list(NAME)
    assert named.id == changed.digest


def test_an_image_without_its_name_gets_it(daemon: Daemon, store: Store) -> None:
    image = image_of(store, os.urandom(1000), os.urandom(1000))
    bring(daemon, image, store, SILENT)
    daemon.client.api.tag(f"{NAME}:cpu", NAME, "old")
    daemon.client.images.remove(f"{NAME}:cpu")
    assert bring(daemon, image, store, SILENT).way == "there"
    assert daemon.client.images.get(f"{NAME}:cpu").id == image.digest


def test_an_archive_gives_the_same_image(daemon: Daemon, store: Store) -> None:
    image = image_of(store, os.urandom(MEGABYTE), os.urandom(1000))
    brought = bring(elsewhere(daemon), image, store, SILENT)
    assert (brought.identity, brought.way) == (image.digest, "loaded")
    assert brought.moved > sum(blob.size for blob in image_blobs(image))
    assert references(daemon, image) == {image.digest, f"{NAME}:cpu", f"{NAME}@{image.digest}"}


@dataclass
class Acts:
    """A progress on which something happens when the first bytes, or the first whole layer, have gone."""

    at: Literal["bytes", "layer"]
    act: Callable[[], None]

    def task(
        self, description: str, *, total: int | None = None, unit: Unit = "items"
    ) -> AbstractContextManager[Task]:
        return nullcontext(self)

    def advance(self, amount: int) -> None:
        if self.at == "bytes":
            self.act()

    def note(self, message: str) -> None:
        pass

    def warn(self, message: str) -> None:
        raise AssertionError(message)

    def detail(self, message: str) -> None:
        if self.at == "layer" and message.startswith("layer"):
            self.act()


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("way", ["pulled", "loaded"])
def test_ctrl_c_leaves_nothing(daemon: Daemon, store: Store, way: Literal["pulled", "loaded"]) -> None:
    image = image_of(store, os.urandom(32 * MEGABYTE), os.urandom(1000))
    used = daemon if way == "pulled" else elsewhere(daemon)
    with pytest.raises(KeyboardInterrupt):
        bring(used, image, store, Acts("layer" if way == "pulled" else "bytes", interrupt))
    assert references(daemon, image) == set()
    assert bring(used, image, store, SILENT).way == way


def test_a_damaged_layer_leaves_nothing(daemon: Daemon, store: Store) -> None:
    image = image_of(store, os.urandom(4 * MEGABYTE), os.urandom(1000))
    blob = image.layers[0].blob
    path = store.blob(blob.digest)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(BuildError) as caught:
        bring(daemon, image, store, SILENT)
    assert str(caught.value) == f"layer `{image.layers[0].name}` in the store is damaged: {blob.digest}"
    assert references(daemon, image) == set()
    path.write_bytes(whole)
    assert bring(daemon, image, store, SILENT).identity == image.digest


def test_a_daemon_that_dies_is_one_error(
    engine: Engine, daemon: Daemon, store: Store, tmp_path: Path
) -> None:
    image = image_of(store, os.urandom(16 * MEGABYTE), os.urandom(1000))
    with way_to(engine.host, tmp_path) as way:
        doomed = connect({**engine.environ, "DOCKER_HOST": way.host})
        with pytest.raises(RunError) as caught:
            bring(doomed, image, store, Acts("layer", way.cut))
    assert str(caught.value) == f"cannot bring `{image.name}` into {daemon.facts.title}: the connection broke"
    assert caught.value.hint == "does the engine still run?"
    assert bring(daemon, image, store, SILENT).identity == image.digest


def test_a_daemon_that_dies_while_it_loads_is_one_error(
    engine: Engine, daemon: Daemon, store: Store, tmp_path: Path
) -> None:
    image = image_of(store, os.urandom(16 * MEGABYTE), os.urandom(1000))
    with way_to(engine.host, tmp_path) as way:
        doomed = elsewhere(connect({**engine.environ, "DOCKER_HOST": way.host}))
        with pytest.raises(RunError) as caught:
            bring(doomed, image, store, Acts("bytes", way.cut))
    assert str(caught.value).startswith(f"cannot load `{image.name}` into {daemon.facts.title}: ")
    assert caught.value.hint == "does the engine still run?"
    assert references(daemon, image) == set()
    assert bring(elsewhere(daemon), image, store, SILENT).identity == image.digest


def brought_soon(daemon: Daemon, image: SealedImage, store: Store) -> Brought:
    """Engines free what a failed transfer left a moment later."""
    for _ in range(20):
        with suppress(RunError):
            return bring(daemon, image, store, SILENT)
        time.sleep(0.5)
    return bring(daemon, image, store, SILENT)


@pytest.mark.engine
@pytest.mark.parametrize("name", [FULL])
def test_a_full_disk_is_one_error(name: str, store: Store) -> None:
    large = image_of(store, os.urandom(64 * MEGABYTE), os.urandom(1000))
    with connected(need_engine(name)) as daemon:
        for used, what in ((daemon, "bring"), (elsewhere(daemon), "load")):
            with pytest.raises(RunError) as caught:
                bring(used, large, store, SILENT)
            assert str(caught.value) == (
                f"cannot {what} `{large.name}` into {daemon.facts.title}: the disk of the engine is full"
            )
            assert references(daemon, large) == set()
            small = image_of(store, os.urandom(MEGABYTE), os.urandom(1000))
            assert brought_soon(used, small, store).identity == small.digest


@pytest.mark.engine
@pytest.mark.parametrize("name", [CLASSIC])
def test_the_classic_store_pulls_too(name: str, store: Store) -> None:
    base = os.urandom(MEGABYTE)
    first, changed = (image_of(store, base, os.urandom(1000)) for _ in range(2))
    with connected(need_engine(name)) as daemon:
        assert not daemon.facts.containerd_store
        assert bring(daemon, first, store, SILENT).identity == first.image_id
        brought = bring(daemon, changed, store, SILENT)
        small = (changed.manifest, changed.config, changed.layers[1].blob)
        assert brought == Brought(
            engine=daemon.facts.title,
            identity=changed.image_id,
            reference=f"{NAME}:cpu",
            way="pulled",
            moved=sum(blob.size for blob in small),
        )
        assert bring(daemon, changed, store, SILENT).way == "there"


@pytest.mark.engine
@pytest.mark.parametrize("name", PODMANS)
def test_podman_loads(name: str, store: Store) -> None:
    image = image_of(store, os.urandom(MEGABYTE), os.urandom(1000))
    with connected(need_engine(name)) as daemon:
        assert daemon.facts.product == "podman"
        brought = bring(daemon, image, store, SILENT)
        assert (brought.identity, brought.way) == (image.image_id, "loaded")
        assert daemon.client.images.get(f"{NAME}:cpu").id == image.image_id
        assert bring(daemon, image, store, SILENT).way == "there"
