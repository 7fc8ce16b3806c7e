"""Brings images into a repository of a registry: what it lacks, several blobs at once, the names last."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Literal

from mlimage.digest import Digest
from mlimage.errors import RegistryError
from mlimage.oci.destination import Destination
from mlimage.oci.model import INDEX, MANIFEST, Descriptor, SealedImage
from mlimage.oci.store import Store
from mlimage.parallel import transfer
from mlimage.progress import Progress, Task

UPLOADS: Final = 4
"""Blobs on their way at once."""

Fate = Literal["sent", "mounted", "there"]
"""What became of a blob: it was uploaded, the registry took it from another repository, or had it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What a push did.

    Attributes:
        digest: of the index.
        tags: that mean it now; the first is that of its content.
        bytes: of the blobs, by their fate.
        seconds: that it took.
    """

    digest: Digest
    tags: tuple[str, ...]
    bytes: dict[Fate, int]
    seconds: float


def push(
    index: bytes,
    images: Sequence[SealedImage],
    *,
    content_tag: str,
    tags: Sequence[str],
    force: bool,
    destination: Destination,
    store: Store,
    progress: Progress,
    title: str,
) -> Pushed:
    """Push images and the index that lists them. Nothing has a name there before all of it is there.

    Args:
        index: what `index_of` gives for the images.
        images: in the store.
        content_tag: the tag of their content, which is not moved to another one.
        tags: others, which are.
        force: the content tag may be moved.
        destination: where to.
        store: has the images.
        progress: where it is shown.
        title: what it is called there.

    Raises:
        RegistryError: the registry refuses, or has something else under the content tag.
        FetchError: it cannot be reached.
        BuildError: something of an image is not in the store, or is damaged there.
    """
    begun = time.monotonic()
    digest = Digest.of(index)
    known = destination.manifest(content_tag)
    if known not in {None, digest} and not force:
        raise RegistryError(
            f"`{title}:{content_tag}` is there already, and is {known}, not {digest}",
            hint="another compressor, or another mlimage, made other bytes of the same content; `--force` "
            "lets the tag mean these",
        )
    blobs = {blob.digest: blob for image in images for blob in _blobs(image)}
    fates = _Fates()
    if known == digest:
        fates.bytes["there"] = sum(blob.size for blob in blobs.values())
    else:
        names = {layer.blob.digest: layer.name for image in images for layer in image.layers}
        _send_all(list(blobs.values()), names, destination, store, progress, title, fates)
        for image in images:
            if destination.manifest(image.digest) != image.digest:
                destination.put_manifest(store.read(image.manifest), MANIFEST, image.digest)
        destination.put_manifest(index, INDEX, content_tag)
    for tag in tags:
        if destination.manifest(tag) != digest:
            destination.put_manifest(index, INDEX, tag)
    return Pushed(
        digest=digest,
        tags=(content_tag, *tags),
        bytes=fates.bytes,
        seconds=time.monotonic() - begun,
    )


@dataclass(slots=True)
class _Fates:
    """Bytes by what became of them; safe to use from several threads."""

    bytes: dict[Fate, int] = field(default_factory=lambda: {"sent": 0, "mounted": 0, "there": 0})
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, fate: Fate, size: int) -> None:
        with self._lock:
            self.bytes[fate] += size


def _send_all(
    blobs: Sequence[Descriptor],
    names: Mapping[Digest, str],
    destination: Destination,
    store: Store,
    progress: Progress,
    title: str,
    fates: _Fates,
) -> None:
    def send(blob: Descriptor, task: Task) -> None:
        fates.add(_send(blob, destination, store, task, name=names.get(blob.digest)), blob.size)

    # The largest first, so that no thread is left alone with it at the end.
    ordered = sorted(blobs, key=lambda blob: -blob.size)
    size = sum(blob.size for blob in blobs)
    with progress.task(f"pushing {title}", total=size, unit="bytes") as task:
        transfer(send, ordered, threads=UPLOADS, task=task)


def _send(blob: Descriptor, destination: Destination, store: Store, task: Task, *, name: str | None) -> Fate:
    if destination.has(blob):
        task.advance(blob.size)
        return "there"
    if destination.mount(blob):
        task.advance(blob.size)
        return "mounted"
    destination.upload(blob, partial(store.open, blob, name=name), task)
    return "sent"


def _blobs(image: SealedImage) -> Sequence[Descriptor]:
    return (*(layer.blob for layer in image.layers), image.config)
