"""Documents of images, of whatever tool, as values: descriptors, manifests, indexes.

All of them raise `DocumentError` for what is none.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from mlimage.digest import Digest
from mlimage.document import DocumentError, Node, read_document
from mlimage.oci.config import LAYER_NAME, LAYER_SIZE, NAME
from mlimage.oci.configuration import need_fit, read_configuration
from mlimage.oci.model import INDEX, Descriptor, LayerBlob, SealedImage
from mlimage.platforms import Platform

DOCKER_INDEX: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
INDEXES: Final = frozenset({INDEX, DOCKER_INDEX})
MAX_LAYERS: Final = 1000
"""Kernels stack 500 of them at most (overlay), Docker 127."""
MAX_MANIFESTS: Final = 1000
"""Manifests that an index may have."""
_MAX_DEPTH: Final = 4
"""Indexes in indexes: one for the variants, one for the platforms, and some to spare."""
_MAX_INDEXES: Final = 20
_ATTESTATION: Final = "vnd.docker.reference.type"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What an index or a manifest lists.

    Attributes:
        blob: the descriptor.
        platform: `os/architecture`; empty where it says none.
        variant: of the architecture, where it says one.
        annotations: what it says besides.
        artifact_type: of a manifest, what it is; empty where it does not say.
        elsewhere: whether it is to be had at other places than its registry.
    """

    blob: Descriptor
    platform: str = ""
    variant: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str = ""
    elsewhere: bool = False

    @property
    def is_attestation(self) -> bool:
        """Whether it is no image, but what BuildKit says of one."""
        return _ATTESTATION in self.annotations or self.platform.startswith("unknown/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A manifest of an image, or of something else that has the form of one.

    Attributes:
        config: what should be its configuration.
        layers: bottom first.
        annotations: what it says besides.
    """

    config: Descriptor
    layers: tuple[Entry, ...]
    annotations: Mapping[str, str]


def read_descriptor(node: Node) -> Descriptor:
    """A descriptor."""
    return Descriptor(
        media_type=node.get("mediaType").text(),
        digest=node.get("digest").digest(),
        size=node.get("size").size(),
    )


def read_entry(node: Node) -> Entry:
    """An entry of an index, or a layer of a manifest."""
    platform = node.get("platform")
    os, architecture = platform.get("os").text(""), platform.get("architecture").text("")
    return Entry(
        blob=read_descriptor(node),
        platform=f"{os}/{architecture}" if os and architecture else "",
        variant=platform.get("variant").text(""),
        annotations=node.get("annotations").table(),
        artifact_type=node.get("artifactType").text(""),
        elsewhere=bool(node.get("urls").texts()),
    )


def read_index(node: Node) -> tuple[Entry, ...]:
    """What an index lists."""
    if node.get("layers").there:  # CVE-2021-41190
        raise DocumentError("the document is an index and a manifest at once")
    manifests = node.get("manifests").need()
    entries = manifests.items()
    if len(entries) > MAX_MANIFESTS:
        raise manifests.wrong(f"a list of {len(entries)}, of at most {MAX_MANIFESTS}")
    return tuple(map(read_entry, entries))


def flattened(entries: tuple[Entry, ...], fetch: Callable[[Digest], bytes]) -> tuple[Entry, ...]:
    """The manifests that an index lists, those of indexes that it lists in their place, as containerd does.

    Args:
        entries: of the index.
        fetch: gives a document that it lists, verified.
    """
    for depth in range(_MAX_DEPTH + 1):
        nested = [entry for entry in entries if entry.blob.media_type in INDEXES]
        if not nested:
            return entries
        if depth == _MAX_DEPTH:
            break
        if len(nested) > _MAX_INDEXES:
            raise DocumentError(f"the document is an index of {len(nested)} indexes")
        entries = tuple(
            inner
            for entry in entries
            for inner in (_listed(entry, fetch) if entry.blob.media_type in INDEXES else (entry,))
        )
        if len(entries) > MAX_MANIFESTS:
            raise DocumentError(f"the document is an index of more than {MAX_MANIFESTS} manifests")
    raise DocumentError(f"the document is an index of indexes, deeper than {_MAX_DEPTH}")


def _listed(index: Entry, fetch: Callable[[Digest], bytes]) -> tuple[Entry, ...]:
    """The entries of a nested index; what it is for, they are for."""
    content = fetch(index.blob.digest)
    try:
        inner = read_index(read_document(content))
    except DocumentError as error:
        raise DocumentError(f"{index.blob.digest}, which it lists: {error}") from error
    return tuple(
        replace(
            entry,
            platform=entry.platform or index.platform,
            variant=entry.variant if entry.platform else index.variant,
            annotations={**index.annotations, **entry.annotations},
        )
        for entry in inner
    )


def read_manifest(node: Node) -> Manifest:
    """A manifest."""
    layers = node.get("layers").need()
    entries = layers.items()
    if len(entries) > MAX_LAYERS:
        raise layers.wrong(f"a list of {len(entries)}, of at most {MAX_LAYERS}")
    return Manifest(
        config=read_descriptor(node.get("config")),
        layers=tuple(map(read_entry, entries)),
        annotations=node.get("annotations").table(),
    )


def read_image(
    manifest: Descriptor, manifest_text: bytes, config_text: bytes, *, name: str | None = None
) -> SealedImage:
    """The image that a manifest and its configuration tell of.

    Args:
        manifest: descriptor of the manifest.
        manifest_text: its bytes.
        config_text: the configuration's bytes.
        name: of the image in the store; by default what its own annotation says, else its digest.

    Raises:
        ValueError: they are not what the OCI image specification has, do not fit each other, or are for a
            platform that mlimage does not know.
    """
    document = read_manifest(read_document(manifest_text))
    config = read_configuration(config_text)
    need_fit(len(document.layers), config)
    return SealedImage(
        name=name or document.annotations.get(NAME) or manifest.digest.short,
        platform=Platform.parse(f"{config.os}/{config.architecture}"),
        manifest=manifest,
        config=document.config,
        layers=tuple(
            LayerBlob(
                name=layer.annotations.get(LAYER_NAME, f"layer-{number}"),
                diff_id=diff_id,
                blob=layer.blob,
                uncompressed_size=_uncompressed(layer),
            )
            for number, (layer, diff_id) in enumerate(zip(document.layers, config.diff_ids, strict=True))
        ),
    )


def _uncompressed(layer: Entry) -> int:
    text = layer.annotations.get(LAYER_SIZE, "0")
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise DocumentError(f"the annotation `{LAYER_SIZE}` of {layer.blob.digest} is not a number of bytes")
    return int(text)
