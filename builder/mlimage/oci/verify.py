"""Every file that is named by its digest, read and held against it."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlimage.cache import Cache
from mlimage.digest import Digest
from mlimage.errors import BuildError
from mlimage.oci.store import Store
from mlimage.parallel import at_once

_HEX: Final = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was found.

    Attributes:
        checked: how many files were read.
        size: their bytes.
        damaged: files that are not what their names say.
        incomplete: names of images that lack something now, which a build gives back.
    """

    checked: int
    size: int
    damaged: tuple[Path, ...]
    incomplete: tuple[str, ...]


def to_verify(cache: Cache, store: Store) -> tuple[Path, ...]:
    """The files that are named by their digests: the store's blobs, and fetched wheels and debs."""
    files = [*store.blobs.glob("*"), *cache.inputs.glob("*/*")]
    return tuple(sorted(path for path in files if _is_digest(path.name) and path.is_file()))


def verify(files: Sequence[Path], store: Store, *, remove: bool, advance: Callable[[int], None]) -> Verified:
    """Read the files, all cores at once.

    Args:
        files: of `to_verify`.
        store: whose images are looked at afterwards.
        remove: delete what is damaged, so that it is fetched or built again.
        advance: is told the bytes of each file that is done.

    Raises:
        OSError: a file cannot be read, or a damaged one not deleted.
    """
    sizes = []
    damaged = []
    digests = at_once(_digest_of, files, threads=len(os.sched_getaffinity(0)))
    for path, (digest, size) in zip(files, digests, strict=True):
        sizes.append(size)
        advance(size)
        if digest is not None and digest.hex != path.name:
            damaged.append(path)
            if remove:
                path.unlink(missing_ok=True)
    return Verified(
        checked=len(files), size=sum(sizes), damaged=tuple(damaged), incomplete=incomplete(store, damaged)
    )


def incomplete(store: Store, damaged: Sequence[Path] = ()) -> tuple[str, ...]:
    """Names of images that cannot be read, or whose layers are not all there."""
    bad = {path.name for path in damaged if path.parent == store.blobs}
    found = []
    for name, manifest in store.tags().items():
        try:
            image = store.load(manifest, name=name)
        except BuildError:
            found.append(name)
            continue
        if any(layer.blob.digest.hex in bad or not store.holds(layer.blob) for layer in image.layers):
            found.append(name)
    return tuple(found)


def _digest_of(path: Path) -> tuple[Digest | None, int]:
    """The digest of a file and its size; None when it was deleted meanwhile."""
    try:
        return Digest.of_file(path), path.stat().st_size
    except FileNotFoundError:
        return None, 0


def _is_digest(name: str) -> bool:
    return len(name) == 64 and set(name) <= _HEX
