"""Pulls from a registry that fails as registries and networks do: whole and right, or no image at all."""

from collections import Counter
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
from support.pushing import destination, pushed

RUNS: Final = 200


def sound(store: Store) -> bool:
    """Whether every blob of the store is what its name says."""
    return all(
        Digest.from_hex(path.name) == Digest.of(path.read_bytes())
        for path in store.blobs.glob("*")
        if not path.name.startswith(".")
    )


def test_many_seeds_of_trouble(
    source: Store,
    pushable: SealedImage,
    quick: Http,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each ends with the pushable, or with an error and no name; the next pull brings what is missing."""
    ended: Counter[str] = Counter()
    happened: Counter[str] = Counter()
    with faulty_registry(faults=("late", "status", "expired", "slow down", "short", "corrupt")) as registry:
        pushed(pushable, source, destination(registry, quick), tags=["latest"])
        for seed in range(RUNS):
            store = Store(tmp_path / str(seed))
            reseeded(registry, seed)
            try:
                found = pulled(registry, quick, store)
            except (RegistryError, FetchError):
                ended["refused"] += 1
                assert store.tags() == {}
            else:
                ended["pulled"] += 1
                assert found.image == pushable
            assert sound(store)
            registry.rate = 0.0
            assert pulled(registry, quick, store).image == pushable
            assert sound(store)
        happened += registry.happened
    with capsys.disabled():
        print(f"\n{RUNS} pulls: {dict(ended)}; faults: {dict(sorted(happened.items()))}")
    assert ended["pulled"] > RUNS / 2
    assert set(happened) == {"late", "status", "expired", "slow down", "short", "corrupt"}


def reseeded(registry: FaultyRegistry, seed: int) -> None:
    """Other trouble from now on."""
    registry.reseed(seed, rate=(0.1, 0.3, 0.5)[seed % 3], needs_token=bool(seed % 2))
