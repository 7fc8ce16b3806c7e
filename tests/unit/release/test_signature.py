"""Signatures of cosign's two forms, and what is none, or not of this image, or not by this key."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlimage.digest import Digest
from mlimage.errors import UsageError
from mlimage.release.signature import RefusedError, check_bundle, check_claim, read_key
from support.signing import bundle, claim, pair

DIGEST = Digest.of(b"image")
OTHER = Digest.of(b"another")
ALIEN = "by another key, or changed"
NO_IMAGE = "by this key, of what is no image"
UNREADABLE = "that cannot be read"


@pytest.mark.parametrize("name", ["owner", "rsa"])
def test_good_ones(name: str) -> None:
    key = pair(name)
    payload = claim(DIGEST)
    signed_as = check_claim(payload, key.signature(payload), digest=DIGEST, key=key.public)
    assert signed_as == "example.com/team/demo"
    check_bundle(bundle(DIGEST, key), digest=DIGEST, key=key.public)


def refused(payload: bytes, signature: str, *, name: str = "owner") -> str:
    with pytest.raises(RefusedError) as caught:
        check_claim(payload, signature, digest=DIGEST, key=pair(name).public)
    return str(caught.value)


def test_claims_that_are_refused() -> None:
    key = pair("owner")
    payload = claim(DIGEST)
    signature = key.signature(payload)
    assert refused(payload, signature, name="stranger") == ALIEN
    assert refused(payload, signature, name="rsa") == ALIEN
    assert refused(claim(OTHER), signature) == ALIEN
    raw = bytearray(base64.b64decode(signature))
    raw[-1] ^= 1
    assert refused(payload, base64.b64encode(raw).decode()) == ALIEN
    assert refused(payload, "") == ALIEN
    assert refused(payload, signature[:-4] + "!!!!") == ALIEN
    assert refused(payload, "é") == ALIEN
    assert refused(claim(OTHER), key.signature(claim(OTHER))) == f"of another image, {OTHER}"
    # By the right key, for another purpose: what was signed says so itself.
    for content in (
        b"",
        b"[]",
        b"\xff",
        b"{}",
        b'{"critical": {}}',
        b'{"critical": {"image": 3, "type": "x"}}',
        claim(DIGEST, kind="atomic container signature"),
    ):
        assert refused(content, key.signature(content)) == NO_IMAGE


def refused_bundle(content: bytes, *, name: str = "owner") -> str:
    with pytest.raises(RefusedError) as caught:
        check_bundle(content, digest=DIGEST, key=pair(name).public)
    return str(caught.value)


def changed(content: bytes, **changes: Any) -> bytes:
    """The bundle with other values in its envelope."""
    document = json.loads(content)
    return json.dumps({**document, "dsseEnvelope": {**document["dsseEnvelope"], **changes}}).encode()


def test_bundles_that_are_refused() -> None:
    key = pair("owner")
    good = bundle(DIGEST, key)
    envelope = json.loads(good)["dsseEnvelope"]
    assert refused_bundle(good, name="stranger") == ALIEN
    assert (
        refused_bundle(changed(good, payload=json.loads(bundle(OTHER, key))["dsseEnvelope"]["payload"]))
        == ALIEN
    )
    assert refused_bundle(changed(good, payloadType="text/plain")) == ALIEN
    assert refused_bundle(bundle(OTHER, key)) == f"of another image, {OTHER}"
    assert refused_bundle(bundle(DIGEST, key, predicate="https://slsa.dev/provenance/v1")) == NO_IMAGE
    assert refused_bundle(bundle(DIGEST, key, kind="text/plain")) == NO_IMAGE
    assert refused_bundle(changed(good, signatures=[])) == UNREADABLE
    assert refused_bundle(changed(good, signatures=envelope["signatures"] * 2)) == UNREADABLE
    assert refused_bundle(changed(good, payload="é")) == UNREADABLE
    assert refused_bundle(b"{}") == UNREADABLE
    assert refused_bundle(b"") == UNREADABLE


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_a_claim_with_any_byte_changed_is_refused(place: int, change: int) -> None:
    payload = bytearray(claim(DIGEST))
    signature = pair("owner").signature(bytes(payload))
    payload[place % len(payload)] ^= change
    assert refused(bytes(payload), signature) == ALIEN


@given(st.binary())
def test_what_is_no_bundle_is_refused(content: bytes) -> None:
    assert refused_bundle(content) == UNREADABLE


def refused_key(content: bytes) -> tuple[str, str | None]:
    with pytest.raises(UsageError) as caught:
        read_key(content, name="key")
    return str(caught.value), caught.value.hint


def test_keys() -> None:
    assert read_key(pair("owner").pem, name="a").id == pair("owner").public.id != pair("stranger").public.id
    assert "_key" not in repr(pair("owner").public)
    none = ("`key` is no public key in PEM form", "`cosign generate-key-pair` writes `cosign.pub`")
    assert refused_key(b"") == none
    assert refused_key(pair("owner").pem[:60]) == none
    for name in ("p384", "ed25519", "rsa-1024"):
        assert refused_key(pair(name).pem) == (
            "`key` is a key of a kind with which cosign 2 and 3 do not verify the same",
            "ECDSA on P-256, which `cosign generate-key-pair` makes, or RSA of 2048 bits or more",
        )
    assert refused_key(b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nx\n") == (
        "`key` is a private key, which nobody else should have",
        "name the public one, `cosign.pub`; `cosign public-key --key KEY` prints it",
    )
