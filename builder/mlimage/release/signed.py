"""Whether an image of a registry is signed by a key: finds its signatures, and holds them against the key."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Final

from mlimage.digest import Digest
from mlimage.document import DocumentError, Node, read_document
from mlimage.errors import RegistryError, VerificationError
from mlimage.oci.manifests import DOCKER_MANIFEST
from mlimage.oci.model import EMPTY, MANIFEST
from mlimage.oci.read import read_descriptor
from mlimage.oci.referrers import Referrer, read_artifact, referrers
from mlimage.oci.registry import Repository
from mlimage.release.signature import (
    BUNDLE,
    CLAIM,
    SIGNATURE,
    PublicKey,
    RefusedError,
    check_bundle,
    check_claim,
)

_MOST: Final = 100
"""Signatures of one image that are looked at, of each form."""
_LARGEST: Final = 1 << 20
"""Bytes of the largest claim or bundle."""
_UNREADABLE: Final = "that cannot be read"

_Check = Callable[[], str | None]
"""Gives the name under which the image was signed; raises `RefusedError` or `RegistryError`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A signature that is good.

    Attributes:
        digest: of the image's manifest or index.
        key: whose it is.
        name: under which the image was signed; None where the signature says none.
    """

    digest: Digest
    key: PublicKey
    name: str | None


def signed(repository: Repository, digest: Digest, key: PublicKey) -> Signed:
    """The first good signature of an image; what else lies beside it does not matter.

    Args:
        repository: where the image and its signatures are.
        digest: of its manifest or index.
        key: whose signature it must be.

    Raises:
        VerificationError: there is none.
        RegistryError: the registry refuses.
        FetchError: it cannot be reached.
    """
    refused: Counter[str] = Counter()
    for check in chain(_claims(repository, digest, key), _bundles(repository, digest, key)):
        try:
            return Signed(digest=digest, key=key, name=check())
        except RefusedError as error:
            refused[str(error)] += 1
        except RegistryError:  # what lies there cannot be had whole; another one may be good
            refused[_UNREADABLE] += 1
    told = "; ".join(f"{count} {reason}" for reason, count in refused.items())
    raise VerificationError(
        f"`{repository.name}@{digest}` is not signed by `{key.name}`: "
        + (f"signatures that are there: {told}" if told else "no signature is there"),
        hint="`mlimage push --sign KEY` signs what it pushes, and what is there already",
    )


def _claims(repository: Repository, digest: Digest, key: PublicKey) -> Iterator[_Check]:
    """Those under the tag that cosign 2 has for them."""
    answer = repository.ask(
        f"manifests/{digest.replace(':', '-')}.sig", accept=f"{MANIFEST}, {DOCKER_MANIFEST}"
    )
    if answer is None:
        return
    try:
        layers = read_document(answer.body).get("layers").items()
    except DocumentError:
        layers = ()
    for number, layer in enumerate(layers or [Node(None)]):
        yield partial(_claim, repository, layer, digest, key) if number < _MOST else _left_out


def _claim(repository: Repository, layer: Node, digest: Digest, key: PublicKey) -> str:
    try:
        blob, signature = read_descriptor(layer), layer.get("annotations").get(SIGNATURE).text()
    except DocumentError:
        raise RefusedError(_UNREADABLE) from None
    if blob.media_type != CLAIM or blob.size > _LARGEST:
        raise RefusedError(_UNREADABLE)
    return check_claim(repository.blob(blob.digest), signature, digest=digest, key=key)


def _bundles(repository: Repository, digest: Digest, key: PublicKey) -> Iterator[_Check]:
    """Those that refer to the image, as cosign 3 has them."""
    # With a registry that has no API for referrers, cosign 3.1 lists its bundles as if they were nothing.
    kinds = {BUNDLE, EMPTY.media_type}
    found = [each for each in referrers(repository, digest) if each.artifact_type in kinds]
    for number, each in enumerate(found):
        referrer = replace(each, artifact_type=BUNDLE)
        yield partial(_bundle, repository, referrer, digest, key) if number < _MOST else _left_out


def _bundle(repository: Repository, referrer: Referrer, digest: Digest, key: PublicKey) -> None:
    content = read_artifact(repository, referrer, subject=digest, media_type=BUNDLE, limit=_LARGEST)
    check_bundle(content, digest=digest, key=key)


def _left_out() -> None:
    raise RefusedError(f"beyond the first {_MOST}, which alone are looked at")
