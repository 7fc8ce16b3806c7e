"""Sealed images go into real engines: by their digest, only what is missing, and nothing stays half-made."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from mlimage.content.entry import file_of_bytes
from mlimage.daemon.bring import Brought, bring
from mlimage.daemon.connect import Daemon, connect
from mlimage.errors import BuildError
from mlimage.oci.archive import image_blobs
from mlimage.oci.model import SealedImage
from mlimage.oci.store import Store
from mlimage.progress import SILENT, Task, Unit
from support.machine import Engine
from support.sealing import sealed

MEGABYTE = 1 << 20
NAME = f"mlimage-test-{os.getpid()}"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.fixture
def daemon(engine: Engine) -> Iterator[Daemon]:
    """An engine, which other tests use at the same time."""
    found = connect(engine.environ)
    yield found
    for one in found.client.api.images(filters={"reference": f"{NAME}:*"}):
        found.client.api.remove_image(one["Id"], force=True)


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
        found |= {name for name in names if NAME in name or image.digest in name}
    return found


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
    elsewhere = replace(daemon, facts=replace(daemon.facts, rootless=True))
    brought = bring(elsewhere, image, store, SILENT)
    assert (brought.identity, brought.way) == (image.digest, "loaded")
    assert brought.moved > sum(blob.size for blob in image_blobs(image))
    assert references(daemon, image) == {image.digest, f"{NAME}:cpu", f"{NAME}@{image.digest}"}


class Interrupts:
    """A progress on which Ctrl-C comes with the first layer."""

    def task(
        self, description: str, *, total: int | None = None, unit: Unit = "items"
    ) -> AbstractContextManager[Task]:
        return SILENT.task(description, total=total, unit=unit)

    def note(self, message: str) -> None:
        pass

    def detail(self, message: str) -> None:
        raise KeyboardInterrupt


def test_ctrl_c_leaves_nothing(daemon: Daemon, store: Store) -> None:
    image = image_of(store, os.urandom(64 * MEGABYTE), os.urandom(1000))
    with pytest.raises(KeyboardInterrupt):
        bring(daemon, image, store, Interrupts())
    assert references(daemon, image) == set()
    assert bring(daemon, image, store, SILENT).identity == image.digest


def test_a_damaged_layer_leaves_nothing(daemon: Daemon, store: Store) -> None:
    image = image_of(store, os.urandom(4 * MEGABYTE), os.urandom(1000))
    blob = image.layers[0].blob
    path = store.blob(blob.digest)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(BuildError) as caught:
        bring(daemon, image, store, SILENT)
    assert str(caught.value) == f"the store's {blob.digest} is damaged"
    assert references(daemon, image) == set()
    path.write_bytes(whole)
    assert bring(daemon, image, store, SILENT).identity == image.digest
