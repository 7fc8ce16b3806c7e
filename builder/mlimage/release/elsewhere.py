"""Layers that registries have: the one that the image goes to, and one that is a cache of layers."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from mlimage.digest import Digest, canonical_json
from mlimage.errors import FetchError, RegistryError
from mlimage.oci.config import descriptor_json
from mlimage.oci.destination import Destination
from mlimage.oci.model import EMPTY, EMPTY_CONTENT, MANIFEST, Descriptor
from mlimage.oci.outgoing import stamp
from mlimage.oci.registry import Repository
from mlimage.oci.store import Store
from mlimage.parallel import at_once, transfer
from mlimage.progress import Progress, Task

_ASKED: Final = 8
"""Blobs that are asked for at once."""
_MOVED: Final = 4
"""Blobs on their way at once."""


class LayerCache:
    """A repository of layers. What goes wrong with it is told, and ends no build.

    Args:
        title: what it is called.
        writes: the repository, to look into and to write to.
        reads: the same, to read from.
        store: where layers come to, and from.
        progress: where it is shown.
    """

    def __init__(
        self, title: str, *, writes: Destination, reads: Repository, store: Store, progress: Progress
    ) -> None:
        self._title = title
        self._writes = writes
        self._reads = reads
        self._store = store
        self._progress = progress
        self._usable = True

    def bring(self, blobs: Sequence[Descriptor]) -> frozenset[Digest]:
        """Bring those that it has into the store, verified; gives which these are."""
        brought: set[Digest] = set()

        def bring(blob: Descriptor, task: Task) -> None:
            self._reads.download(blob.digest, blob.size, to=self._store.blob(blob.digest), task=task)
            stamp(self._store.blob(blob.digest), blob.digest)
            brought.add(blob.digest)

        def all_of_them() -> None:
            there = _there(self._writes.has, blobs)
            if not there:
                return
            size = sum(blob.size for blob in there)
            with self._progress.task(f"layers from {self._title}", total=size, unit="bytes") as task:
                transfer(bring, _largest_first(there), threads=_MOVED, task=task)

        self._try("read", all_of_them)
        return frozenset(brought)

    def keep(self, blobs: Mapping[Digest, Descriptor], name: str) -> int:
        """Write those that it lacks, as far as they are to be had, and a manifest that holds them there.

        Args:
            blobs: layers, each by the key of its inputs.
            name: of the image; its next build replaces the manifest.

        Returns:
            Bytes that were sent.
        """
        tag = name.replace(":", "-")
        sent: list[int] = []

        def send(blob: Descriptor, task: Task) -> None:
            self._writes.upload(
                blob, lambda: io.BytesIO(EMPTY_CONTENT) if blob == EMPTY else self._store.open(blob), task
            )
            sent.append(blob.size)

        def all_of_them() -> None:
            if self._writes.manifest(tag) == Digest.of(_manifest(blobs)):
                return
            wanted = list(dict.fromkeys([EMPTY, *blobs.values()]))
            there = _there(lambda blob: self._writes.has(blob) or self._writes.mount(blob), wanted)
            here = [
                blob for blob in wanted if blob not in there and (blob == EMPTY or self._store.holds(blob))
            ]
            size = sum(blob.size for blob in here)
            with self._progress.task(f"layers to {self._title}", total=size, unit="bytes") as task:
                transfer(send, _largest_first(here), threads=_MOVED, task=task)
            kept = {*there, *here}
            manifest = _manifest({key: blob for key, blob in blobs.items() if blob in kept})
            self._writes.put_manifest(manifest, MANIFEST, tag)

        self._try("written", all_of_them)
        return sum(sent)

    def _try(self, what: str, act: Callable[[], None]) -> None:
        if not self._usable:
            return
        try:
            act()
        except (RegistryError, FetchError) as error:
            self._usable = False
            hint = f" ({error.hint})" if error.hint else ""
            self._progress.warn(f"the cache is not {what}: {error.message}{hint}")


class Registries:
    """Where layers may be that a store lacks; an `engines.elsewhere.Elsewhere`.

    Args:
        target: where the image goes to; what is there, or can be mounted there, may stay. None when the image
            stays here.
        cache: from which others are brought.
    """

    def __init__(self, target: Destination | None, cache: LayerCache | None) -> None:
        self._target = target
        self._cache = cache

    def find(self, blobs: Sequence[Descriptor]) -> frozenset[Digest]:
        """Which of these need not be made.

        Raises:
            RegistryError: the target refuses.
            FetchError: it cannot be reached.
        """
        target = self._target
        there = _there(lambda blob: target.has(blob) or target.mount(blob), blobs) if target else []
        rest = [blob for blob in blobs if blob not in there]
        brought = self._cache.bring(rest) if self._cache and rest else frozenset()
        return brought | {blob.digest for blob in there}


def _manifest(blobs: Mapping[Digest, Descriptor]) -> bytes:
    """A manifest of layers, for no registry keeps a blob that none refers to."""
    return canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": "application/vnd.mlimage.layers.v1",
            "config": descriptor_json(EMPTY),
            "layers": [
                {**descriptor_json(blob), "annotations": {"dev.mlimage.key": key}}
                for key, blob in sorted(blobs.items())
            ],
        }
    )


def _there(has: Callable[[Descriptor], bool], blobs: Sequence[Descriptor]) -> list[Descriptor]:
    answers = at_once(has, blobs, threads=_ASKED)
    return [blob for blob, answer in zip(blobs, answers, strict=True) if answer]


def _largest_first(blobs: Sequence[Descriptor]) -> list[Descriptor]:
    """So that no thread is left alone with the largest at the end."""
    return sorted(blobs, key=lambda blob: -blob.size)
