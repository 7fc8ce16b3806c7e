"""Pushes to a registry that fails as registries do: all is there in the end, or nothing has a name."""

import time
from collections import Counter
from typing import Final

import pytest

from mlimage.errors import FetchError, RegistryError
from mlimage.fetch import Http
from mlimage.oci.model import SealedImage
from mlimage.oci.store import Store
from support.faultyregistry import Fault, faulty_registry
from support.pushing import QUICK, destination, pushed, whole
from support.relay import relay

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


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT"])
@pytest.mark.parametrize("fault", ["expired", "lost", "cut", "late"])
def test_one_thing_in_the_middle_of_an_upload(
    method: str, fault: Fault, source: Store, pushable: SealedImage, quick: Http
) -> None:
    """A token that runs out, a session that is lost, a connection that breaks: the push outlives it."""
    with faulty_registry(needs_token=True, coming=[(method, "/uploads/", fault)]) as registry:
        pushed(pushable, source, destination(registry, quick), tags=["latest"])
        assert registry.happened == {fault: 1}
        assert whole(registry, pushable)
        assert ("team/demo", "latest") in registry.manifests


def test_a_place_for_uploads_elsewhere_gets_no_token(
    source: Store, pushable: SealedImage, quick: Http
) -> None:
    with (
        faulty_registry(needs_token=True) as registry,
        relay(int(registry.host.rpartition(":")[2])) as other,
    ):
        registry.uploads_at = f"http://{other.host}"
        pushed(pushable, source, destination(registry, quick))
        assert whole(registry, pushable)
        at_home = [header for host, header in registry.asked if host == registry.host]
        assert any(header and header.startswith("Bearer ") for header in at_home)
        elsewhere = [header for host, header in registry.asked if host == other.host]
        assert len(elsewhere) > 3
        assert set(elsewhere) == {None}


def test_a_registry_that_takes_a_byte_now_and_then(source: Store, pushable: SealedImage) -> None:
    """Once, it is outlived; always, it is an error in the time of silence, and nothing has a name."""
    with (
        faulty_registry(coming=[("PATCH", "/uploads/", "drip")]) as registry,
        Http(retry=QUICK, read_timeout=0.5) as http,
    ):
        pushed(pushable, source, destination(registry, http))
        assert whole(registry, pushable)
    with (
        faulty_registry(coming=[("PATCH", "/uploads/", "drip")] * 1000) as registry,
        Http(retry=QUICK, read_timeout=0.5) as http,
    ):
        begun = time.monotonic()
        with pytest.raises(FetchError) as caught:
            pushed(pushable, source, destination(registry, http))
        assert time.monotonic() - begun < QUICK.attempts * 4 * 0.5 + 10
        assert " does not take sha256:" in str(caught.value)
        assert "sent nothing for 0.5 seconds" in str(caught.value)
        assert registry.manifests == {}
