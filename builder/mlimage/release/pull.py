"""Brings an image of a registry into the store: only what it lacks, verified, under a name here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mlimage.bounds import RATIO, UNPACKED, is_bomb
from mlimage.digest import Digest
from mlimage.errors import BuildError, RegistryError
from mlimage.oci.manifests import (
    Document,
    ManifestError,
    NoPlatformError,
    UnreadableError,
    all_of,
    layers_of,
    read,
    read_config,
    read_listed,
)
from mlimage.oci.model import CONFIG, MANIFEST, Descriptor, SealedImage
from mlimage.oci.outgoing import stamp
from mlimage.oci.read import Manifest, read_image
from mlimage.oci.registry import Repository
from mlimage.oci.seal import MAX_LAYERS
from mlimage.oci.store import Store
from mlimage.parallel import transfer
from mlimage.platforms import Platform
from mlimage.progress import Progress, Task
from mlimage.release.index import ROLE, VARIANT
from mlimage.release.offers import Wish, choose, offers_of
from mlimage.release.signature import PublicKey
from mlimage.release.signed import Signed, signed
from mlimage.spec.tags import ROLES, ImageTag
from mlimage.spec.variants import is_variant

DOWNLOADS: Final = 4
"""Layers on their way at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """What a pull did.

    Attributes:
        image: in the store, under its name there.
        why: this one of several was taken.
        fetched: bytes that came.
        there: bytes of layers that the store had.
        signed: the signature that was asked for.
    """

    image: SealedImage
    why: str
    fetched: int
    there: int
    signed: Signed | None = None


def pull(
    selector: str,
    wish: Wish,
    *,
    repository: Repository,
    name: str,
    store: Store,
    progress: Progress,
    key: PublicKey | None = None,
) -> Pulled:
    """Pull the image that suits this machine. It has its name in the store when all of it is there.

    Args:
        selector: tag or digest.
        wish: what this machine is, and which image is wanted.
        repository: where from.
        name: of the image in the store.
        store: where to.
        progress: where it is shown.
        key: whose signature what the selector means must have.

    Raises:
        VerificationError: it has none by the key; nothing else was fetched then.
        RegistryError: the registry refuses, does not have it, or has what is no image of mlimage.
        FetchError: it cannot be reached, or gives something else than it says.
        UsageError: there is no such variant or role.
    """
    platform = wish.platform
    first = repository.document(selector)
    # Of an index, too: it names its images by their digests.
    signature = signed(repository, first.digest, key) if key is not None else None
    try:
        document, manifest, why = _chosen(first, repository, name, wish)
        config = repository.blob(manifest.config.digest)
        said = read_config(config, platform)
        layers, labels = layers_of(manifest, said), said.labels
        if VARIANT not in labels:
            raise ManifestError("was not made by mlimage")  # noqa: TRY301 - as the others are told
        if len(layers) > MAX_LAYERS:
            raise ManifestError(f"has {len(layers)} layers")  # noqa: TRY301
        _check_sizes(document.content, config)
        tag = _tag(labels, platform)
    except NoPlatformError as error:
        raise RegistryError(f"`{name}` is not there for `{platform}`", hint=error.hint) from error
    except UnreadableError as error:
        raise RegistryError(f"`{name}` {error}", hint="push it again with the tool that made it") from error
    except ManifestError as error:
        raise RegistryError(f"`{name}` {error}", hint="`docker pull` takes images of any kind") from error
    blobs = {
        layer.digest: Descriptor(media_type=layer.media_type, digest=layer.digest, size=layer.size)
        for layer in layers
    }
    missing = [blob for blob in blobs.values() if not store.is_sound(blob)]
    _fetch(missing, repository, store, progress, name)
    store.put(config, CONFIG)
    stored = store.put(document.content, MANIFEST)
    try:
        image = store.load(stored, name=f"{name}:{tag}")
    except BuildError as error:
        raise RegistryError(f"`{name}`: {error.message}") from error
    store.tag(image)
    fetched = sum(blob.size for blob in missing)
    return Pulled(
        image=image,
        why=why,
        fetched=fetched,
        there=sum(blob.size for blob in blobs.values()) - fetched,
        signed=signature,
    )


def _chosen(first: Document, repository: Repository, name: str, wish: Wish) -> tuple[Document, Manifest, str]:
    """The manifest of the image with its document, and why it is this one."""
    found = read(first)
    if isinstance(found, Manifest):
        return first, found, "it is the only one"
    offer, why = choose(offers_of(all_of(found, repository.document)), wish, name=name)
    document, manifest = read_listed(repository.document(offer.manifest.digest))
    return document, manifest, f"`{offer.variant}`: {why}" if offer.variant else why


def _check_sizes(manifest: bytes, config: bytes) -> None:
    """Refuse, before it comes, what says of itself that it unpacks to more than `mlimage.bounds` allows."""
    said = Descriptor(media_type=MANIFEST, digest=Digest.of(manifest), size=len(manifest))
    try:
        image = read_image(said, manifest, config)
    except ValueError as error:
        raise ManifestError(f"is no image that mlimage can read: {error}") from error
    for layer in image.layers:
        if is_bomb(packed=layer.blob.size, unpacked=layer.uncompressed_size):
            raise ManifestError(
                f"has a layer `{layer.name}`, which unpacks to more than {RATIO} times its "
                f"{layer.blob.size} bytes"
            )
    if sum(layer.uncompressed_size for layer in image.layers) > UNPACKED:
        raise ManifestError(f"unpacks to more than the {UNPACKED} bytes that are allowed")


def _tag(labels: Mapping[str, str], platform: Platform) -> ImageTag:
    if not is_variant(labels[VARIANT]):
        raise UnreadableError(f"has the label `{VARIANT}`, which is not the name of a variant")
    role = next((each for each in ROLES if each == labels.get(ROLE)), None)
    return ImageTag(variant=labels[VARIANT], role=role, platform=platform)


def _fetch(
    blobs: Sequence[Descriptor], repository: Repository, store: Store, progress: Progress, name: str
) -> None:
    def fetch(blob: Descriptor, task: Task) -> None:
        repository.download(blob.digest, blob.size, to=store.blob(blob.digest), task=task)
        stamp(store.blob(blob.digest), blob.digest)

    if blobs:
        ordered = sorted(blobs, key=lambda blob: -blob.size)
        size = sum(blob.size for blob in blobs)
        with progress.task(f"pulling {name}", total=size, unit="bytes") as task:
            transfer(fetch, ordered, threads=DOWNLOADS, task=task)
