"""Signatures in a registry: which count, and that a pull without one gets nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mlimage.digest import Digest
from mlimage.errors import VerificationError
from mlimage.fetch import Http
from mlimage.oci.model import MANIFEST, SealedImage
from mlimage.oci.store import Store
from mlimage.release.signed import signed
from support.faultyregistry import FaultyRegistry, faulty_registry
from support.pulling import pulled, repository
from support.pushing import destination, pushed
from support.signing import bundle, claim, layer_of, pair, put_bundle, put_claims, sign_claim

HINT = "`mlimage push --sign KEY` signs what it pushes, and what is there already"


@pytest.fixture(params=[None, 1], ids=["tag", "api"])
def registry(request: pytest.FixtureRequest) -> Iterator[FaultyRegistry]:
    """Without the API for referrers, and with it."""
    with faulty_registry(referrers=request.param) as made:
        yield made


@pytest.fixture
def digest(registry: FaultyRegistry, source: Store, pushable: SealedImage, quick: Http) -> Digest:
    """Of an index that was pushed, and is not signed yet."""
    return pushed(pushable, source, destination(registry, quick), tags=["latest"]).digest


def refused(registry: FaultyRegistry, http: Http, digest: Digest) -> str:
    with pytest.raises(VerificationError) as caught:
        signed(repository(registry.host, http), digest, pair("owner").public)
    assert caught.value.hint == HINT
    start = f"`{registry.host}/team/demo@{digest}` is not signed by `cosign.pub`: "
    assert str(caught.value).startswith(start)
    return str(caught.value).removeprefix(start)


def test_both_forms(registry: FaultyRegistry, quick: Http, digest: Digest) -> None:
    key = pair("owner")
    put_bundle(registry, digest, bundle(digest, key))
    found = signed(repository(registry.host, quick), digest, key.public)
    assert (found.digest, found.key, found.name) == (digest, key.public, None)
    sign_claim(registry, digest, key)
    registry.requests.clear()
    assert signed(repository(registry.host, quick), digest, key.public).name == "example.com/team/demo"
    assert len(registry.requests) == 2  # a good one is enough


def test_what_lies_beside_a_good_one_does_not_matter(
    registry: FaultyRegistry, quick: Http, digest: Digest
) -> None:
    key = pair("owner")
    payload = claim(digest)
    put_claims(
        registry,
        digest,
        [
            "garbage",
            layer_of(registry, payload, pair("stranger").signature(payload)),
            {**layer_of(registry, b"gone", "AA=="), "digest": Digest.of(b"nowhere")},
            layer_of(registry, payload, key.signature(payload)),
        ],
    )
    assert signed(repository(registry.host, quick), digest, key.public).name == "example.com/team/demo"


def test_no_good_one(registry: FaultyRegistry, quick: Http, digest: Digest) -> None:
    assert refused(registry, quick, digest) == "no signature is there"
    key, other = pair("owner"), Digest.of(b"other")
    payload = claim(digest)
    good = key.signature(payload)
    large = b" " * (1 << 20) + payload
    put_claims(
        registry,
        digest,
        [
            layer_of(registry, payload, pair("stranger").signature(payload)),
            layer_of(registry, claim(other), good),
            layer_of(registry, claim(other), key.signature(claim(other))),
            layer_of(registry, payload, None),
            layer_of(registry, payload, [good]),
            layer_of(registry, payload, good, mediaType="text/plain"),
            layer_of(registry, payload, good, annotations="x"),
            layer_of(registry, payload, good, size="x"),
            layer_of(registry, payload, good, digest=Digest.of(b"nowhere")),
            layer_of(registry, large, key.signature(large)),
            7,
        ],
    )
    put_bundle(registry, digest, bundle(digest, pair("stranger")))
    put_bundle(registry, digest, bundle(digest, key, predicate="https://slsa.dev/provenance/v1"))
    assert refused(registry, quick, digest) == (
        "signatures that are there: 3 by another key, or changed; "
        f"1 of another image, {other}; 8 that cannot be read; 1 by this key, of what is no image"
    )


def test_what_is_no_list_of_signatures(quick: Http, source: Store, pushable: SealedImage) -> None:
    with faulty_registry() as registry:
        digest = pushed(pushable, source, destination(registry, quick)).digest
        for content in (b"", b"[]", b"{}", b'{"layers": {}}'):
            registry.manifests["team/demo", f"{digest.replace(':', '-')}.sig"] = (MANIFEST, content)
            assert refused(registry, quick, digest) == "signatures that are there: 1 that cannot be read"


def test_a_flood_of_signatures(registry: FaultyRegistry, quick: Http, digest: Digest) -> None:
    payload = claim(digest)
    alien = layer_of(registry, payload, pair("stranger").signature(payload))
    good = layer_of(registry, payload, pair("owner").signature(payload))
    put_claims(registry, digest, [*[alien] * 100, good])
    assert refused(registry, quick, digest) == (
        "signatures that are there: 100 by another key, or changed; "
        "1 beyond the first 100, which alone are looked at"
    )
    put_claims(registry, digest, [*[alien] * 99, good])
    assert signed(repository(registry.host, quick), digest, pair("owner").public).digest == digest


def test_a_bundle_of_another_image(registry: FaultyRegistry, quick: Http, digest: Digest) -> None:
    key, other = pair("owner"), Digest.of(b"other")
    put_bundle(registry, digest, bundle(other, key))
    assert refused(registry, quick, digest) == f"signatures that are there: 1 of another image, {other}"


def test_a_bundle_that_refers_to_another_image(quick: Http, source: Store, pushable: SealedImage) -> None:
    """The list of a registry without the API names it; its own word counts."""
    with faulty_registry() as registry:
        digest = pushed(pushable, source, destination(registry, quick)).digest
        subject = {"mediaType": MANIFEST, "digest": Digest.of(b"other"), "size": 1}
        put_bundle(registry, digest, bundle(digest, pair("owner")), subject=subject)
        assert refused(registry, quick, digest) == "signatures that are there: 1 that cannot be read"


def test_a_pull_of_what_is_not_signed_gets_nothing(
    registry: FaultyRegistry, quick: Http, digest: Digest, pushable: SealedImage, tmp_path: Path
) -> None:
    store = Store(tmp_path / "store")
    key = pair("owner").public
    # That the image of the index is signed does not sign the index.
    sign_claim(registry, pushable.digest, pair("owner"))
    registry.requests.clear()
    with pytest.raises(VerificationError):
        pulled(registry, quick, store, key=key)
    assert not [path for _, path in registry.requests if "/blobs/" in path]
    assert store.tags() == {}
    sign_claim(registry, digest, pair("owner"))
    found = pulled(registry, quick, store, key=key)
    assert found.image == pushable
    assert found.signed is not None
    assert (found.signed.digest, found.signed.name) == (digest, "example.com/team/demo")
    assert pulled(registry, quick, store).signed is None
    # What is here already is pulled as little when the signature is gone.
    registry.manifests.pop(("team/demo", f"{digest.replace(':', '-')}.sig"))
    with pytest.raises(VerificationError):
        pulled(registry, quick, store, key=key)
    # The image by itself is signed.
    assert pulled(registry, quick, store, tag=pushable.digest, key=key).image == pushable
