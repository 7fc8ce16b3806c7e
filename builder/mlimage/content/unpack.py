"""Writes entries into a folder of this machine, so that nothing is written outside it."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from mlimage.content.entry import MTIME, Entry, Kind
from mlimage.errors import BuildError

_CHUNK: Final = 1 << 20
_ENTER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def write_entries(entries: Iterable[Entry], folder: Path) -> None:
    """Write arranged entries (parents before children) below `folder`, which must exist; what is there stays.

    Each folder is entered by its descriptor and never through a symbolic link, so nothing is written outside,
    whatever the entries say. Owners and set-user-id bits are set only when this process is root: else the
    bits would hand out the rights of the user who builds. Times are the constant of all layers.

    Raises:
        BuildError: a path is taken, or its parent is missing or no folder.
    """
    owners = os.geteuid() == 0
    folders: list[Entry] = []
    root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for entry in entries:
            with _parent(root, entry) as (parent, name):
                _write(entry, name, parent, owners=owners)
            if entry.kind is Kind.DIRECTORY:
                folders.append(entry)
        for entry in reversed(folders):
            with _parent(root, entry) as (parent, name):
                _finish(entry, name, parent, owners=owners)
    finally:
        os.close(root)


@contextmanager
def _parent(root: int, entry: Entry) -> Iterator[tuple[int, str]]:
    """The descriptor of the folder that holds the entry, and the entry's name there."""
    *parts, name = entry.path.split("/")
    if any(part in ("", ".", "..") for part in (*parts, name)):
        raise BuildError(f"`{entry.origin}` has the path `{entry.path}`, which could lead outside the image")
    current = os.dup(root)
    try:
        for part in parts:
            following = os.open(part, _ENTER, dir_fd=current)
            os.close(current)
            current = following
        yield current, name
    except FileExistsError:
        raise BuildError(f"`{entry.origin}` writes `/{entry.path}`, where something is already") from None
    except (FileNotFoundError, NotADirectoryError):
        raise BuildError(
            f"`{entry.origin}` writes `/{entry.path}`, whose folder is missing or no folder"
        ) from None
    finally:
        os.close(current)


def _write(entry: Entry, name: str, parent: int, *, owners: bool) -> None:
    if entry.kind is Kind.DIRECTORY:
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
        except FileExistsError:
            os.close(os.open(name, _ENTER, dir_fd=parent))
    elif entry.kind is Kind.SYMLINK:
        os.symlink(entry.target, name, dir_fd=parent)
        _finish(entry, name, parent, owners=owners)
    else:
        with os.fdopen(os.open(name, _CREATE, 0o600, dir_fd=parent), "wb", buffering=0) as target:
            _copy(entry, target.fileno())
        _finish(entry, name, parent, owners=owners)


def _copy(entry: Entry, target: int) -> None:
    if entry.open is None:
        raise BuildError(f"`{entry.origin}` gives no bytes for `/{entry.path}`")
    written = 0
    with entry.open() as source:
        while block := source.read(_CHUNK):
            written += len(block)
            view = memoryview(block)
            while view:
                view = view[os.write(target, view) :]
    if written != entry.size:
        raise BuildError(f"`/{entry.path}` of `{entry.origin}` has {written} bytes instead of {entry.size}")


def _finish(entry: Entry, name: str, parent: int, *, owners: bool) -> None:
    """Owner, then mode (a change of owner clears set-user-id bits), then times."""
    if owners:
        os.chown(name, entry.uid, entry.gid, dir_fd=parent, follow_symlinks=False)
    if entry.kind is not Kind.SYMLINK:
        os.chmod(name, entry.mode if owners else entry.mode & 0o777, dir_fd=parent)
    os.utime(name, (MTIME, MTIME), dir_fd=parent, follow_symlinks=False)
