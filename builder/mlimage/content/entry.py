"""One file, folder or symbolic link of an image, before it is in a layer."""

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import BinaryIO, Final

from mlimage.bounds import shown, why_not
from mlimage.digest import Digest
from mlimage.errors import BuildError

MTIME: Final = 1_704_067_200
"""Modification time of every file in every layer: 2024-01-01T00:00:00Z. One constant, so that no date of a
build or a lock changes a layer; after 1980, which zip archives made in a container need."""


class Kind(Enum):
    """What an entry is. Hard links of an input become files of their own; images have no devices."""

    DIRECTORY = "directory"
    FILE = "file"
    SYMLINK = "symlink"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A path in the image's root file system and what is there.

    Attributes:
        path: relative to the root, `/` between parts, no leading or trailing `/`, no `.` or `..` parts.
        kind: what is there.
        mode: permission bits, at most 0o7777.
        uid: owner; 0 but for what a deb or the runtime gives to somebody else.
        gid: group, likewise.
        size: bytes of a file, else 0.
        target: where a symbolic link leads, else empty.
        origin: the input that gives it, in the user's words (`numpy 2.3.5`, `libc6 2.36-9`), for messages.
        open: gives a fresh stream of exactly `size` bytes; None but for a file.
    """

    path: str
    kind: Kind
    mode: int
    origin: str
    uid: int = 0
    gid: int = 0
    size: int = 0
    target: str = ""
    open: Callable[[], BinaryIO] | None = None


def directory(path: str, *, origin: str, mode: int = 0o755, uid: int = 0, gid: int = 0) -> Entry:
    """A folder."""
    return Entry(path=path, kind=Kind.DIRECTORY, mode=mode, origin=origin, uid=uid, gid=gid)


def symlink(path: str, target: str, *, origin: str) -> Entry:
    """A symbolic link."""
    return Entry(path=path, kind=Kind.SYMLINK, mode=0o777, origin=origin, target=target)


def file_of_bytes(
    path: str, content: bytes, *, origin: str, mode: int = 0o644, uid: int = 0, gid: int = 0
) -> Entry:
    """A file whose bytes are at hand."""
    return Entry(
        path=path,
        kind=Kind.FILE,
        mode=mode,
        origin=origin,
        uid=uid,
        gid=gid,
        size=len(content),
        open=lambda: io.BytesIO(content),
    )


def file_of_path(
    path: str, source: Path, *, origin: str, mode: int = 0o644, size: int | None = None
) -> Entry:
    """A file whose bytes lie on this machine."""
    return Entry(
        path=path,
        kind=Kind.FILE,
        mode=mode,
        origin=origin,
        size=source.stat().st_size if size is None else size,
        open=lambda: source.open("rb"),
    )


def arrange(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """The entries as a layer holds them: each path once, all parents present, sorted by bytes of the path.

    A folder that several inputs give is kept once, as the first gives it, and so is a file whose copies have
    equal bytes. Parents that nobody gives are folders of root with mode 0755.

    Raises:
        BuildError: two inputs give one path with different content, a parent is no folder, or a path is
            out of bounds (`mlimage.bounds`).
    """
    found: dict[str, Entry] = {}
    for entry in entries:
        other = found.get(entry.path)
        if other is None:
            why = why_not(entry.path)
            if why:
                raise BuildError(f"`{entry.origin}` writes `/{shown(entry.path)}`, which {why}")
            found[entry.path] = entry
        elif not same(entry, other):
            raise BuildError(
                f"`{other.origin}` and `{entry.origin}` both write `/{entry.path}`, with different content"
            )
    for entry in tuple(found.values()):
        parent = entry.path.rpartition("/")[0]
        while parent:
            above = found.get(parent)
            if above is not None:
                if above.kind is not Kind.DIRECTORY:
                    raise BuildError(
                        f"`{entry.origin}` writes `/{entry.path}`, but `/{parent}` is a {above.kind.value} "
                        f"of `{above.origin}`"
                    )
                break
            found[parent] = directory(parent, origin=entry.origin)
            parent = parent.rpartition("/")[0]
    return tuple(sorted(found.values(), key=lambda entry: entry.path.encode()))


def same(first: Entry, second: Entry) -> bool:
    """Whether two entries of one path can stand for each other: folders, or equal in target and bytes."""
    if first.kind is not second.kind:
        return False
    if first.kind is not Kind.FILE:
        return first.target == second.target
    if first.size != second.size or first.open is None or second.open is None:
        return False
    with first.open() as one, second.open() as other:
        return Digest.of_stream(one) == Digest.of_stream(other)
