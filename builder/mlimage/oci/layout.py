"""Images in an OCI image layout, whoever wrote it (OCI image-spec, image-layout.md)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from mlimage.digest import Digest
from mlimage.document import Node, read_document
from mlimage.errors import BuildError, UsageError
from mlimage.oci.archive import CONTAINERD_NAME
from mlimage.oci.builds import REF_NAME
from mlimage.oci.config import LAYER_NAME
from mlimage.oci.files import File, Files
from mlimage.oci.found import FoundImage, StoredLayer, found_image
from mlimage.oci.model import Descriptor
from mlimage.oci.read import Entry, read_index, read_manifest
from mlimage.oci.store import MAX_JSON
from mlimage.platforms import host_platform

_MAX_DEPTH: Final = 4
"""Indexes in indexes: one for the variants, one for the platforms, and some to spare."""
_DOCKER: Final = "docker.io/"
_LIBRARY: Final = "library/"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """An entry of an index; its names are all that a person may know it by."""

    descriptor: Descriptor
    names: tuple[str, ...]
    platform: str


def find_in_layout(files: Files, wanted: str, *, place: str) -> FoundImage:
    """The image in a layout.

    Args:
        files: of the layout.
        wanted: empty for the only one, `:NAME` as the index annotates it, or `@DIGEST` of the manifest.
        place: where this is, in the user's words, for messages.

    Raises:
        UsageError: there is none, or none of that name, or several.
        BuildError: it is damaged.
    """
    index = files("index.json")
    if index is None:
        raise UsageError(
            f"`{place}` holds no image: it has no `index.json`",
            hint=f"write `docker-{place.removeprefix('oci-')}`" if files("manifest.json") else None,
        )
    try:
        entries = tuple(_entries(read_document(read_small(index, place))))
        entry = _chosen(entries, wanted, files, place)
        return _image(_descend(entry, files, place), files, place)
    except ValueError as error:
        raise BuildError(f"`{place}` holds no image that mlimage can read: {error}") from error


def _entries(index: Node) -> Iterator[_Entry]:
    for entry in read_index(index):
        if not entry.is_attestation:
            names = (entry.annotations.get(name) for name in (CONTAINERD_NAME, REF_NAME))
            yield _Entry(descriptor=entry.blob, names=names_of(*names), platform=entry.platform)


def names_of(*references: str | None) -> tuple[str, ...]:
    """What a person may type for an image of these references: first of all each as Docker shows it."""
    texts = [text for text in references if text]
    short = (text.removeprefix(_DOCKER).removeprefix(_LIBRARY) for text in texts)
    return tuple(dict.fromkeys((*short, *texts)))


def _chosen(entries: Sequence[_Entry], wanted: str, files: Files, place: str) -> Descriptor:
    if wanted.startswith("@"):
        digest = Digest(wanted[1:])
        blob = files(_place(digest))
        if blob is None:
            raise UsageError(f"no manifest `{digest}` in `{place}`", hint=_hint(entries, place))
        return Descriptor(media_type="", digest=digest, size=blob.size)
    fitting = [entry for entry in entries if not wanted or wanted[1:] in entry.names]
    digests = {entry.descriptor.digest for entry in fitting}
    if len(digests) == 1:
        return fitting[0].descriptor
    if not entries:
        raise UsageError(f"`{place}` holds no image")
    if not fitting:
        raise UsageError(f"no image `{wanted[1:]}` in `{place}`", hint=_hint(entries, place))
    # The index of an archive may list the platforms of one image itself.
    if len({entry.names for entry in fitting}) == 1 and all(entry.platform for entry in fitting):
        return _of_this_machine(fitting, place)
    raise UsageError(f"`{place}` holds several images", hint=_hint(fitting, place))


def _hint(entries: Sequence[_Entry], place: str) -> str | None:
    """How each image there is typed."""
    typed = [
        f"`{place}:{entry.names[0]}`" if entry.names else f"`{place}@{entry.descriptor.digest}`"
        for entry in entries[:10]
    ]
    return "say which: " + ", ".join(dict.fromkeys(typed)) if typed else None


def _of_this_machine(entries: Sequence[_Entry], place: str) -> Descriptor:
    own = str(host_platform())
    fitting = [entry for entry in entries if entry.platform == own]
    if len(fitting) != 1:
        raise UsageError(
            f"`{place}` holds images for several platforms: "
            + ", ".join(sorted(f"`{entry.platform}`" for entry in entries)),
            hint=f"say which: `{place}@{entries[0].descriptor.digest}`, …",
        )
    return fitting[0].descriptor


def _descend(descriptor: Descriptor, files: Files, place: str) -> tuple[Descriptor, Node]:
    """The manifest that a descriptor leads to, through indexes of platforms."""
    for _ in range(_MAX_DEPTH):
        document = read_document(_blob(descriptor, files, place))
        if not document.get("manifests").there:
            return descriptor, document
        there = [entry for entry in _entries(document) if files(_place(entry.descriptor.digest)) is not None]
        if not there:
            raise UsageError(f"`{place}` lacks all images that its index lists")
        descriptor = there[0].descriptor if len(there) == 1 else _of_this_machine(there, place)
    raise ValueError("indexes in indexes, too deep")


def _image(found: tuple[Descriptor, Node], files: Files, place: str) -> FoundImage:
    manifest, document = found
    read = read_manifest(document)
    stored = [_stored(layer, files, place) for layer in read.layers]
    return found_image(_blob(read.config, files, place), stored, name=place, digest=manifest.digest)


def _stored(layer: Entry, files: Files, place: str) -> StoredLayer:
    blob = layer.blob
    if ".tar" not in blob.media_type or blob.media_type.endswith("+encrypted"):
        raise ValueError(f"it has a layer of the kind `{blob.media_type}`")
    file = files(_place(blob.digest))
    if file is None:
        raise BuildError(f"`{place}` lacks a layer: {blob.digest}", hint="have it written again, whole")
    name = layer.annotations.get(LAYER_NAME, "")
    return StoredLayer(
        name=name, digest=blob.digest, media_type=blob.media_type, size=file.size, open=file.open
    )


def _blob(blob: Descriptor, files: Files, place: str) -> bytes:
    file = files(_place(blob.digest))
    if file is None:
        raise BuildError(f"`{place}` lacks {blob.digest}", hint="have it written again, whole")
    content = read_small(file, place)
    if Digest.of(content) != blob.digest:
        raise BuildError(f"`{place}` is damaged: it has no {blob.digest}", hint="have it written again")
    return content


def _place(digest: Digest) -> str:
    return f"blobs/sha256/{digest.hex}"


def read_small(file: File, place: str) -> bytes:
    """The bytes of a document; raises `BuildError` where it is larger than those of images are."""
    if file.size > MAX_JSON:
        raise BuildError(f"`{place}` holds no image: a document of it has {file.size} bytes")
    with file.open() as stream:
        return stream.readall()
