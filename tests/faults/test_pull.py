"""Pulls from a registry that fails as registries and networks do: whole and right, or no image at all."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest

from mlimage.digest import Digest
from mlimage.errors import FetchError, RegistryError
from mlimage.fetch import Http
from mlimage.oci.model import SealedImage
from mlimage.oci.store import Store
from support.faultyregistry import Fault, FaultyRegistry, faulty_registry
from support.pulling import pulled
from support.pushing import QUICK, destination, pushed
from support.webserver import Fault as WebFault
from support.webserver import WebServer, web_server

RUNS: Final = 200
FAULTS: Final[Sequence[Fault]] = (
    "late", "status", "expired", "slow down", "short", "corrupt", "length", "elsewhere",
)  # fmt: skip


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
    with web_server() as other, faulty_registry(faults=FAULTS, elsewhere=other) as registry:
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
        assert other.requests
        assert {request.headers.get("Authorization") for request in other.requests} == {None}
    with capsys.disabled():
        print(f"\n{RUNS} pulls: {dict(ended)}; faults: {dict(sorted(happened.items()))}")
    assert ended["pulled"] > RUNS / 2
    assert set(happened) == set(FAULTS)


def reseeded(registry: FaultyRegistry, seed: int) -> None:
    """Other trouble from now on."""
    registry.reseed(seed, rate=(0.1, 0.3, 0.5)[seed % 3], needs_token=bool(seed % 2))


@pytest.fixture
def other() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


@pytest.fixture
def registry(source: Store, pushable: SealedImage, quick: Http, other: WebServer) -> Iterator[FaultyRegistry]:
    """It has the image, wants tokens, and may send to another host for blobs."""
    with faulty_registry(needs_token=True, elsewhere=other) as made:
        pushed(pushable, source, destination(made, quick), tags=["latest"])
        yield made


def test_another_host_gets_no_token_however_it_sends_on(
    registry: FaultyRegistry, other: WebServer, quick: Http, pushable: SealedImage, tmp_path: Path
) -> None:
    """From the registry to the other host, from there to a third, and back to it."""
    digest = pushable.layers[0].blob.digest
    registry.coming = [("GET", digest, "elsewhere")]
    with web_server() as third:
        there = f"/blobs/{digest}"
        third.files[there] = registry.blobs["team/demo", digest]
        on, back = (
            WebFault(status=307, headers={"Location": f"{origin}{there}"})
            for origin in (third.origin, other.origin)
        )
        other.spoil("/blobs/", on, times=1)
        third.spoil("/blobs/", back, times=1)
        assert pulled(registry, quick, Store(tmp_path)).image == pushable
        assert len(other.requests) == 2
        assert len(third.requests) == 1
        asked = [*other.requests, *third.requests]
        assert {request.headers.get("Authorization") for request in asked} == {None}
        assert {request.headers.get("Cookie") for request in asked} == {None}


def test_a_redirect_in_circles(
    registry: FaultyRegistry, other: WebServer, quick: Http, pushable: SealedImage, tmp_path: Path
) -> None:
    digest = pushable.layers[0].blob.digest
    registry.coming = [("GET", digest, "elsewhere")]
    other.spoil("/blobs/", WebFault(status=307, headers={"Location": f"{other.origin}/blobs/{digest}"}))
    store = Store(tmp_path)
    with pytest.raises(FetchError) as caught:
        pulled(registry, quick, store)
    assert str(caught.value) == (
        f"`http://{registry.host}/v2/team/demo/blobs/{digest}` cannot be fetched: too many redirects"
    )
    assert len(other.requests) < 20
    assert store.tags() == {}


def test_a_blob_that_drips_once(registry: FaultyRegistry, pushable: SealedImage, tmp_path: Path) -> None:
    """A byte now and then is no progress: what came is kept, and the rest is asked for anew."""
    digest = pushable.layers[0].blob.digest
    registry.coming = [("GET", digest, "drip")]
    with Http(retry=QUICK, read_timeout=5, window=0.3) as http:
        assert pulled(registry, http, Store(tmp_path)).image == pushable
    asked = ("GET", f"/v2/team/demo/blobs/{digest}")
    assert registry.requests.count(asked) == 2


def test_blobs_that_never_do_anything_but_drip(
    registry: FaultyRegistry, pushable: SealedImage, tmp_path: Path
) -> None:
    registry.coming = [("GET", layer.blob.digest, "drip") for layer in pushable.layers for _ in range(100)]
    store = Store(tmp_path)
    begun = time.monotonic()
    with Http(retry=QUICK, read_timeout=5, window=0.2) as http, pytest.raises(FetchError) as caught:
        pulled(registry, http, store)
    assert "fewer than 65536 bytes came in 0.2 seconds" in str(caught.value)
    assert time.monotonic() - begun < 30
    assert store.tags() == {}
