"""Pushes to a registry that fails as registries do: all is there in the end, or nothing has a name."""

from collections import Counter
from typing import Final

import pytest

from mlimage.errors import FetchError, RegistryError
from mlimage.fetch import Http
from mlimage.oci.model import SealedImage
from mlimage.oci.store import Store
from support.faultyregistry import faulty_registry
from support.pushing import destination, pushed, whole

RUNS: Final = 200


def test_many_seeds_of_trouble(
    source: Store, pushable: SealedImage, quick: Http, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each ends with all that was pushed, or with an error; then the next push brings what is missing."""
    ended: Counter[str] = Counter()
    happened: Counter[str] = Counter()
    for seed in range(RUNS):
        rate = (0.1, 0.3, 0.6)[seed % 3]
        with faulty_registry(seed=seed, rate=rate, needs_token=bool(seed % 2)) as registry:
            try:
                pushed(pushable, source, destination(registry, quick), tags=["latest"])
            except (RegistryError, FetchError):
                ended["refused"] += 1
            else:
                ended["pushed"] += 1
                assert whole(registry, pushable)
            whole(registry, pushable)
            registry.rate = 0.0
            pushed(pushable, source, destination(registry, quick), tags=["latest"])
            assert whole(registry, pushable)
            assert ("team/demo", "latest") in registry.manifests
            happened += registry.happened
    with capsys.disabled():
        print(f"\n{RUNS} pushes: {dict(ended)}; faults: {dict(sorted(happened.items()))}")
    assert ended["pushed"] > RUNS / 2
    assert set(happened) == {"cut", "late", "status", "lost", "expired", "slow down"}
