"""Pushes to a registry that fails as registries do: all is there in the end, or nothing has a name."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

import pytest

from mlimage.errors import FetchError, RegistryError
from mlimage.fetch import Http
from mlimage.oci.model import SealedImage
from mlimage.oci.store import Store
from support.faultyregistry import faulty_registry
from support.pushing import QUICK, destination, image_to_push, pushed, whole

RUNS: Final = 200


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def image(store: Store) -> SealedImage:
    return image_to_push(store)


@pytest.fixture
def http() -> Iterator[Http]:
    with Http(retry=QUICK, read_timeout=5) as client:
        yield client


def test_many_seeds_of_trouble(
    store: Store, image: SealedImage, http: Http, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each ends with all that was pushed, or with an error; then the next push brings what is missing."""
    ended: Counter[str] = Counter()
    happened: Counter[str] = Counter()
    for seed in range(RUNS):
        rate = (0.1, 0.3, 0.6)[seed % 3]
        with faulty_registry(seed=seed, rate=rate, needs_token=bool(seed % 2)) as registry:
            try:
                pushed(image, store, destination(registry, http), tags=["latest"])
            except (RegistryError, FetchError):
                ended["refused"] += 1
            else:
                ended["pushed"] += 1
                assert whole(registry, image)
            whole(registry, image)
            registry.rate = 0.0
            pushed(image, store, destination(registry, http), tags=["latest"])
            assert whole(registry, image)
            assert ("team/demo", "latest") in registry.manifests
            happened += registry.happened
    with capsys.disabled():
        print(f"\n{RUNS} pushes: {dict(ended)}; faults: {dict(sorted(happened.items()))}")
    assert ended["pushed"] > RUNS / 2
    assert set(happened) == {"cut", "late", "status", "lost", "expired", "slow down"}
