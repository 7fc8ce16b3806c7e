"""Every file that is named by its digest, read and held against it; unpacked trees against inventories."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlimage.cache import Cache
from mlimage.digest import Digest
from mlimage.errors import BuildError
from mlimage.inventory import changes
from mlimage.oci.outgoing import stamp
from mlimage.oci.store import Store
from mlimage.oci.survey import things_in
from mlimage.oci.unpack import put_away
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedTree:
    """An unpacked base or image that was changed: how many entries differ, and how the first one does."""

    path: Path
    count: int
    first: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedTrees:
    """What was found.

    Attributes:
        checked: how many trees were looked at.
        damaged: those that were changed.
        unknown: those of which nothing was noted when they were unpacked.
    """

    checked: int
    damaged: tuple[ChangedTree, ...]
    unknown: tuple[Path, ...]


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
        elif digest is not None and path.parent == store.blobs:
            stamp(path, digest)
    return Verified(
        checked=len(files), size=sum(sizes), damaged=tuple(damaged), incomplete=incomplete(store, damaged)
    )


def trees_to_verify(cache: Cache) -> tuple[Path, ...]:
    """Unpacked bases and images."""
    return (*things_in(cache.roots), *things_in(cache.unpacked))


def verify_trees(
    trees: Sequence[Path], cache: Cache, *, deep: bool, remove: bool, advance: Callable[[int], None]
) -> VerifiedTrees:
    """Hold unpacked trees against what was noted of them.

    Args:
        trees: of `trees_to_verify`.
        cache: where they are.
        deep: read all files; else only those that were touched since they were written.
        remove: take away what is damaged, so that it is unpacked again; what runs in it runs on.
        advance: is told 1 for each tree that is done.

    Raises:
        OSError: a tree cannot be read, or a damaged one not removed.
    """
    damaged = []
    unknown = []
    for tree in trees:
        found = changes(tree, cache.inventory(tree), deep=deep)
        if found is None:
            unknown.append(tree)
        elif said := list(found):
            damaged.append(ChangedTree(path=tree, count=len(said), first=said[0]))
            if remove:
                put_away(tree)
        advance(1)
    return VerifiedTrees(checked=len(trees) - len(unknown), damaged=tuple(damaged), unknown=tuple(unknown))


def incomplete(store: Store, damaged: Sequence[Path] = ()) -> tuple[str, ...]:
    """Names of images that cannot be read, or whose layers are not all there."""
    bad = {path.name for path in damaged if path.parent == store.blobs}
    found = []
    for build in store.builds():
        try:
            image = store.load(build.manifest, name=build.name)
        except BuildError:
            found.append(build.name)
            continue
        if any(layer.blob.digest.hex in bad or not store.holds(layer.blob) for layer in image.layers):
            found.append(build.name)
    return tuple(dict.fromkeys(found))


def _digest_of(path: Path) -> tuple[Digest | None, int]:
    """The digest of a file and its size; None when it was deleted meanwhile."""
    try:
        return Digest.of_file(path), path.stat().st_size
    except FileNotFoundError:
        return None, 0


def _is_digest(name: str) -> bool:
    return len(name) == 64 and set(name) <= _HEX
