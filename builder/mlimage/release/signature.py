"""Signatures of images as `cosign` makes them with a key, held against that key. Pure.

Two forms say the same: a signed claim (of cosign 2, and of cosign 3 as `push --sign` starts it), and a bundle
with a signed statement (of cosign 3 by itself). Transparency logs do not count: who has the key needs none.

https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md
https://github.com/sigstore/cosign/blob/main/specs/BUNDLE_SPEC.md
"""

import base64
import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from mlimage.digest import Digest
from mlimage.document import DocumentError, read_document
from mlimage.errors import UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

CLAIM: Final = "application/vnd.dev.cosign.simplesigning.v1+json"
"""Media type of a claim; its descriptor carries the signature."""
SIGNATURE: Final = "dev.cosignproject.cosign/signature"
"""The annotation with the signature of a claim."""
BUNDLE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
"""Media type of a bundle."""
_KIND_OF_CLAIM: Final = "cosign container image signature"
_KIND_OF_STATEMENT: Final = "https://sigstore.dev/cosign/sign/v1"
_STATEMENT: Final = "application/vnd.in-toto+json"
_MIN_RSA: Final = 2048


class RefusedError(ValueError):
    """A signature is not the one that is asked for; the message goes on after the word `signature`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """A key that signatures are held against: ECDSA on P-256, or RSA; cosign 2 and 3 agree on these alone.

    Attributes:
        name: what the user calls it.
        id: digest of its DER form.
    """

    name: str
    id: Digest
    _key: "EllipticCurvePublicKey | RSAPublicKey" = field(repr=False)

    def signed(self, message: bytes, signature: str) -> bool:
        """Whether a signature, in base64, is this key's of a message."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
        from cryptography.hazmat.primitives.hashes import SHA256

        try:
            given = base64.b64decode(signature, validate=True)
            if isinstance(self._key, RSAPublicKey):
                self._key.verify(given, message, PKCS1v15(), SHA256())
            else:
                self._key.verify(given, message, ECDSA(SHA256()))
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True


def read_key(content: bytes, *, name: str) -> PublicKey:
    """A public key in PEM form.

    Args:
        content: its file.
        name: what the user calls it, for messages.

    Raises:
        UsageError: it is none, or of a kind that cosign 2 and 3 do not both verify.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

    if b"PRIVATE KEY-----" in content:
        raise UsageError(
            f"`{name}` is a private key, which nobody else should have",
            hint="name the public one, `cosign.pub`; `cosign public-key --key KEY` prints it",
        )
    try:
        key = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm):
        raise UsageError(
            f"`{name}` is no public key in PEM form", hint="`cosign generate-key-pair` writes `cosign.pub`"
        ) from None
    if not (
        (isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1))
        or (isinstance(key, RSAPublicKey) and key.key_size >= _MIN_RSA)
    ):
        raise UsageError(
            f"`{name}` is a key of a kind with which cosign 2 and 3 do not verify the same",
            hint=f"ECDSA on P-256, which `cosign generate-key-pair` makes, or RSA of {_MIN_RSA} bits or more",
        )
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return PublicKey(name=name, id=Digest.of(der), _key=key)


def check_claim(payload: bytes, signature: str, *, digest: Digest, key: PublicKey) -> str:
    """Hold a claim against a key and the digest of an image.

    Args:
        payload: the claim.
        signature: of it, in base64.
        digest: of the image's manifest or index.
        key: whose signature it must be.

    Returns:
        The name under which the image was signed. Copies elsewhere are as good: the digest alone is checked.

    Raises:
        RefusedError: it is no claim of this image by this key.
    """
    if not key.signed(payload, signature):
        raise RefusedError("by another key, or changed")
    try:
        critical = read_document(payload).get("critical")
        kind, told = critical.get("type").text(), critical.get("image").get("docker-manifest-digest").text()
        name = critical.get("identity").get("docker-reference").text()
    except DocumentError:
        raise RefusedError("by this key, of what is no image") from None
    if kind != _KIND_OF_CLAIM:
        raise RefusedError("by this key, of what is no image")
    _hold(told, digest)
    return name


def check_bundle(content: bytes, *, digest: Digest, key: PublicKey) -> None:
    """Hold a bundle against a key and the digest of an image; attestations by the same key do not count.

    Raises:
        RefusedError: it is no signature of this image by this key.
    """
    try:
        envelope = read_document(content).get("dsseEnvelope")
        kind = envelope.get("payloadType").text()
        payload = base64.b64decode(envelope.get("payload").text(), validate=True)
        signatures = [each.get("sig").text() for each in envelope.get("signatures").items()]
    except ValueError:  # of JSON, or of base64
        raise RefusedError("that cannot be read") from None
    if len(signatures) != 1:  # as sigstore's own clients want it
        raise RefusedError("that cannot be read")
    if not key.signed(_pre_authentication(kind, payload), signatures[0]):
        raise RefusedError("by another key, or changed")
    if kind != _STATEMENT:
        raise RefusedError("by this key, of what is no image")
    try:
        statement = read_document(payload)
        predicate = statement.get("predicateType").text()
        told = [each.get("digest").get("sha256").text("") for each in statement.get("subject").items()]
    except DocumentError:
        raise RefusedError("by this key, of what is no image") from None
    if predicate != _KIND_OF_STATEMENT:
        raise RefusedError("by this key, of what is no image")
    if digest.hex not in told:
        _hold(f"sha256:{told[0]}" if told else None, digest)


def _hold(told: str | None, digest: Digest) -> None:
    if told != digest:
        raise RefusedError(f"of another image, {str(told)[:71]}")


def _pre_authentication(kind: str, payload: bytes) -> bytes:
    """What is signed of an envelope (DSSE 1.0, `PAE`)."""
    name = kind.encode()
    return b"DSSEv1 %d %s %d %s" % (len(name), name, len(payload), payload)
