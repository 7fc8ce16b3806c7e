"""Keys, and signatures in the two forms of cosign, put beside an image."""

import base64
import json
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mlimage.digest import Digest, canonical_json
from mlimage.oci.model import MANIFEST
from mlimage.release.signature import BUNDLE, CLAIM, SIGNATURE, PublicKey, read_key
from support.faultyregistry import FaultyRegistry

STATEMENT: Final = "application/vnd.in-toto+json"
EMPTY: Final = "application/vnd.oci.empty.v1+json"
_Private = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class Pair:
    """A private key and its public one."""

    private: _Private

    @property
    def pem(self) -> bytes:
        """The public key, as a file."""
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @property
    def public(self) -> PublicKey:
        """The public key, read."""
        return read_key(self.pem, name="cosign.pub")

    def signature(self, message: bytes) -> str:
        """Of a message, in base64."""
        match self.private:
            case ec.EllipticCurvePrivateKey():
                made = self.private.sign(message, ec.ECDSA(SHA256()))
            case rsa.RSAPrivateKey():
                made = self.private.sign(message, padding.PKCS1v15(), SHA256())
            case _:
                made = self.private.sign(message)
        return base64.b64encode(made).decode()


@cache
def pair(name: str) -> Pair:
    """A key: `rsa`, `rsa-1024`, `ed25519`, `p384`; another name is a key of its own, on P-256."""
    match name:
        case "rsa" | "rsa-1024":
            size = 2048 if name == "rsa" else 1024
            return Pair(rsa.generate_private_key(public_exponent=65537, key_size=size))
        case "ed25519":
            return Pair(ed25519.Ed25519PrivateKey.generate())
        case "p384":
            return Pair(ec.generate_private_key(ec.SECP384R1()))
        case _:
            return Pair(ec.generate_private_key(ec.SECP256R1()))


def claim(digest: str, *, kind: str = "cosign container image signature") -> bytes:
    """What is signed in the older form."""
    return json.dumps(
        {
            "critical": {
                "identity": {"docker-reference": "example.com/team/demo"},
                "image": {"docker-manifest-digest": digest},
                "type": kind,
            },
            "optional": None,
        }
    ).encode()


def bundle(
    digest: str,
    key: Pair,
    *,
    predicate: str = "https://sigstore.dev/cosign/sign/v1",
    kind: str = STATEMENT,
) -> bytes:
    """A bundle with a signed statement."""
    payload = json.dumps(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"digest": {"sha256": digest.removeprefix("sha256:")}}],
            "predicateType": predicate,
            "predicate": {},
        }
    ).encode()
    message = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": kind,
        "signatures": [{"sig": key.signature(message)}],
    }
    return json.dumps({"mediaType": BUNDLE, "dsseEnvelope": envelope}).encode()


def layer_of(registry: FaultyRegistry, payload: bytes, signature: object, **changes: Any) -> dict[str, Any]:
    """An entry under the tag of cosign 2, whose content the registry has."""
    digest = Digest.of(payload)
    registry.blobs["team/demo", digest] = payload
    annotations = {SIGNATURE: signature}
    return {
        "mediaType": CLAIM,
        "digest": digest,
        "size": len(payload),
        "annotations": annotations,
        **changes,
    }


def put_claims(registry: FaultyRegistry, digest: str, layers: object) -> None:
    """Put these entries under the tag of cosign 2."""
    content = canonical_json({"schemaVersion": 2, "mediaType": MANIFEST, "layers": layers})
    registry.manifests["team/demo", f"{digest.replace(':', '-')}.sig"] = (MANIFEST, content)


def sign_claim(registry: FaultyRegistry, digest: str, key: Pair) -> None:
    """Sign in the older form."""
    payload = claim(digest)
    put_claims(registry, digest, [layer_of(registry, payload, key.signature(payload))])


def put_bundle(registry: FaultyRegistry, digest: str, content: bytes, **changes: Any) -> None:
    """Let a bundle refer to the image, as cosign 3 does."""
    registry.blobs["team/demo", Digest.of(content)] = content
    registry.blobs["team/demo", Digest.of(b"{}")] = b"{}"
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": BUNDLE,
        "config": {"mediaType": EMPTY, "digest": Digest.of(b"{}"), "size": 2},
        "layers": [{"mediaType": BUNDLE, "digest": Digest.of(content), "size": len(content)}],
        "subject": {"mediaType": MANIFEST, "digest": digest, "size": 1},
        **changes,
    }
    manifest = canonical_json(document)
    registry.manifests["team/demo", Digest.of(manifest)] = (MANIFEST, manifest)
    if registry.referrers is None:
        _list(registry, digest, manifest)


def _list(registry: FaultyRegistry, digest: str, manifest: bytes) -> None:
    """As cosign 3.1 lists it for registries without the API: by the type of its configuration."""
    index = "application/vnd.oci.image.index.v1+json"
    tag = digest.replace(":", "-")
    _, before = registry.manifests.get(("team/demo", tag), (index, b'{"manifests": []}'))
    entries = json.loads(before)["manifests"]
    entry = {
        "mediaType": MANIFEST,
        "digest": Digest.of(manifest),
        "size": len(manifest),
        "artifactType": EMPTY,
    }
    content = canonical_json({"schemaVersion": 2, "mediaType": index, "manifests": [*entries, entry]})
    registry.manifests["team/demo", tag] = (index, content)
