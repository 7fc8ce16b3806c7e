"""Pulls from a registry that fails as registries and networks do: whole and right, or no image at all."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from mlimage.digest import Digest
from mlimage.errors import FetchError, RegistryError
from mlimage.fetch import Http
from mlimage.oci.model import SealedImage
from mlimage.oci.store import Store
from support.faultyregistry import FaultyRegistry, faulty_registry
from support.pulling import pulled
from support.pushing import QUICK, destination, image_to_push, pushed

RUNS: Final = 200


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def image(source: Store) -> SealedImage:
    return image_to_push(source)


@pytest.fixture
def http() -> Iterator[Http]:
    with Http(retry=QUICK, read_timeout=5) as client:
        yield client


def sound(store: Store) -> bool:
    """Whether every blob of the store is what its name says."""
    return all(
        Digest.from_hex(path.name) == Digest.of(path.read_bytes())
        for path in store.blobs.glob("*")
        if not path.name.startswith(".")
    )


def test_many_seeds_of_trouble(
    source: Store,
    image: SealedImage,
    http: Http,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each ends with the image, or with an error and no name; the next pull brings what is missing."""
    ended: Counter[str] = Counter()
    happened: Counter[str] = Counter()
    with faulty_registry(faults=("late", "status", "expired", "slow down", "short", "corrupt")) as registry:
        pushed(image, source, destination(registry, http), tags=["latest"])
        for seed in range(RUNS):
            store = Store(tmp_path / str(seed))
            reseeded(registry, seed)
            try:
                found = pulled(registry, http, store)
            except (RegistryError, FetchError):
                ended["refused"] += 1
                assert store.tags() == {}
            else:
                ended["pulled"] += 1
                assert found.image == image
            assert sound(store)
            registry.rate = 0.0
            assert pulled(registry, http, store).image == image
            assert sound(store)
        happened += registry.happened
    with capsys.disabled():
        print(f"\n{RUNS} pulls: {dict(ended)}; faults: {dict(sorted(happened.items()))}")
    assert ended["pulled"] > RUNS / 2
    assert set(happened) == {"late", "status", "expired", "slow down", "short", "corrupt"}


def reseeded(registry: FaultyRegistry, seed: int) -> None:
    """Other trouble from now on."""
    registry.reseed(seed, rate=(0.1, 0.3, 0.5)[seed % 3], needs_token=bool(seed % 2))
