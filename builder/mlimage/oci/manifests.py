"""Documents of a registry, of OCI's and of Docker's form, to what a base needs of them. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from mlimage.digest import Digest
from mlimage.document import DocumentError, read_document
from mlimage.lock.model import ImageLayer
from mlimage.oci.configuration import Configuration, read_configuration
from mlimage.oci.model import CONFIG, INDEX, LAYER, MANIFEST, Descriptor
from mlimage.oci.read import DOCKER_INDEX, INDEXES, Entry, Manifest, flattened, read_index
from mlimage.oci.read import read_manifest as read_any_manifest
from mlimage.platforms import Platform

DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
ACCEPTED: Final = (INDEX, DOCKER_INDEX, MANIFEST, DOCKER_MANIFEST)
"""What a registry is asked for."""
_SCHEMA_1: Final = "application/vnd.docker.distribution.manifest.v1+"
_CONFIGS: Final = frozenset({CONFIG, "application/vnd.docker.container.image.v1+json"})
_LAYERS: Final = {
    LAYER: LAYER,
    f"{LAYER}+gzip": f"{LAYER}+gzip",
    f"{LAYER}+zstd": f"{LAYER}+zstd",
    "application/vnd.docker.image.rootfs.diff.tar": LAYER,
    "application/vnd.docker.image.rootfs.diff.tar.gzip": f"{LAYER}+gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd": f"{LAYER}+zstd",
}
"""Media types of layers, each with OCI's for the same bytes."""
_ELSEWHERE: Final = (f"{LAYER.removesuffix('.tar')}.nondistributable", ".rootfs.foreign.")
_OLDEST_VARIANTS: Final = {"amd64": ("", "v1"), "arm64": ("", "v8")}
"""Variants of an architecture that every machine of it runs."""


class ManifestError(ValueError):
    """A document is not what it should be, or has what a base cannot have; the message says it."""


class UnreadableError(ManifestError):
    """A document is damaged, or odd: no tool would do better with it."""


class NoPlatformError(ManifestError):
    """The image is not there for a platform."""

    def __init__(self, platforms: Sequence[str]) -> None:
        super().__init__("not there for the platform")
        self.platforms = tuple(dict.fromkeys(each for each in platforms if each))

    @property
    def hint(self) -> str | None:
        """For which it is there, where it says so."""
        listed = ", ".join(f"`{each}`" for each in self.platforms)
        return f"it is there for {listed}" if listed else "its index names no platform"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A manifest or an index: its bytes, their digest, and what the registry says it is."""

    content: bytes
    digest: Digest
    media_type: str


def read(document: Document) -> Manifest | tuple[Entry, ...]:
    """The manifest of an image, or what an index lists.

    What the document says of itself counts more than what the registry calls it.

    Raises:
        ManifestError: it is neither, or of an old form, or has layers that no base can have.
    """
    try:
        node = read_document(document.content)
        kind = node.get("mediaType").text("") or document.media_type.partition(";")[0].strip()
        if node.get("schemaVersion").value == 1 or kind.startswith(_SCHEMA_1):
            raise ManifestError(
                "has the form of before 2016 (manifest schema 1), which has no digests of what is in its "
                "layers"
            )
        lists = node.get("manifests").there
        if lists and node.get("layers").there:  # CVE-2021-41190
            raise ManifestError("is an index and a manifest at once")
        if kind in INDEXES or (kind not in ACCEPTED and lists):
            return read_index(node)
        if kind not in ACCEPTED and not (node.get("config").there and node.get("layers").there):
            raise ManifestError(f"is no image: the registry calls it `{kind}`")
        found = read_any_manifest(node)
    except DocumentError as error:
        raise UnreadableError(f"has a manifest that cannot be read: {error}") from error
    for layer in found.layers:
        _check_layer(layer)
    if found.config.media_type not in _CONFIGS:
        raise ManifestError(f"is no image, but something else: `{found.config.media_type}`")
    return found


def find_manifest(
    first: Document, platform: Platform, fetch: Callable[[Digest], Document]
) -> tuple[Document, Manifest]:
    """The manifest for a platform that a document is or leads to, and its document.

    Args:
        first: a manifest or an index.
        platform: which is wanted.
        fetch: gives a document that an index lists, verified.

    Raises:
        NoPlatformError: it is an index without the platform.
        ManifestError: it is, or leads to, none.
    """
    found = read(first)
    if isinstance(found, Manifest):
        return first, found
    chosen = _of_platform(all_of(found, fetch), platform)
    return read_listed(fetch(chosen.digest))


def read_listed(document: Document) -> tuple[Document, Manifest]:
    """The manifest that an index says a document is; raises `ManifestError` where it is none."""
    found = read(document)
    if not isinstance(found, Manifest):
        raise UnreadableError(f"lists an index as a manifest: {document.digest}")
    return document, found


def all_of(entries: tuple[Entry, ...], fetch: Callable[[Digest], Document]) -> tuple[Entry, ...]:
    """The manifests that an index lists, with those of indexes that it lists. Raises `ManifestError`."""
    try:
        return flattened(entries, lambda digest: fetch(digest).content)
    except DocumentError as error:
        raise UnreadableError(f"has an index that cannot be read: {error}") from error


def read_config(content: bytes, platform: Platform) -> Configuration:
    """A configuration.

    Raises:
        NoPlatformError: it is for another platform.
        ManifestError: it is none.
    """
    try:
        found = read_configuration(content)
    except DocumentError as error:
        raise UnreadableError(f"has a configuration that cannot be read: {error}") from error
    if not (found.os and found.architecture):
        raise UnreadableError("has a configuration that names no platform")
    if (found.os, found.architecture) != (platform.os, platform.architecture):
        raise NoPlatformError([found.platform])
    return found


def layers_of(manifest: Manifest, config: Configuration) -> tuple[ImageLayer, ...]:
    """The layers with all that is known; raises `ManifestError` when the two do not fit each other."""
    if len(manifest.layers) != len(config.diff_ids):
        raise UnreadableError(
            f"has {len(manifest.layers)} layers in its manifest, "
            f"and {len(config.diff_ids)} in its configuration"
        )
    return tuple(
        ImageLayer(
            media_type=_LAYERS[layer.blob.media_type],
            digest=layer.blob.digest,
            size=layer.blob.size,
            diff_id=diff_id,
        )
        for layer, diff_id in zip(manifest.layers, config.diff_ids, strict=True)
    )


def _of_platform(entries: Sequence[Entry], platform: Platform) -> Descriptor:
    there: dict[str, Descriptor] = {}
    for entry in entries:
        if entry.platform and not entry.is_attestation:
            name = f"{entry.platform}/{entry.variant}" if entry.variant else entry.platform
            there.setdefault(name, entry.blob)
    for variant in _OLDEST_VARIANTS[platform.architecture]:
        found = there.get(f"{platform}/{variant}" if variant else str(platform))
        if found is not None:
            return found
    raise NoPlatformError(list(there))


def _check_layer(layer: Entry) -> None:
    kind = layer.blob.media_type
    if layer.elsewhere or any(part in kind for part in _ELSEWHERE):
        raise ManifestError(f"has a layer that the registry itself may not give: {layer.blob.digest}")
    if kind not in _LAYERS:
        raise ManifestError(f"has a layer of a kind that is not known here: `{kind}`")
