"""Reads files that somebody else may have put there: regular ones, to a limit, and no link on the way.

`/dev/zero` has no end, a named pipe no beginning, and a link out of a folder is the file of somebody else.
All errors are `OSError`, whose `strerror` says what is there in place of a file.
"""

import errno
import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

_FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
_ENTER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PIECE: Final = 1 << 20
_DEEPEST: Final = 32
_KINDS: Final = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class UnfitFileError(OSError):
    """What is there is no file that is read: `strerror` says why, `filename` which."""

    def __init__(self, why: str, path: str | os.PathLike[str]) -> None:
        super().__init__(errno.EINVAL, why, os.fspath(path))


def shown_limit(limit: int) -> str:
    """A limit for people: `64 MiB`; below one MiB in bytes."""
    return f"{limit >> 20} MiB" if limit >= 1 << 20 and not limit % (1 << 20) else f"{limit:,} bytes"


def opened(path: Path, *, follow: bool = False) -> io.BufferedReader:
    """A regular file, opened to be read.

    Args:
        path: of the file.
        follow: whether it may be a symbolic link, as a file may that the user names.

    Raises:
        OSError: it is not there, is something else, or may not be read.
    """
    return _opened(os.fspath(path), os.fspath(path), None, follow=follow)


def read_file(path: Path, limit: int, *, follow: bool = False) -> bytes:
    """The bytes of a regular file, of which there may be `limit`; else as `opened`."""
    with opened(path, follow=follow) as stream:
        return read_limited(stream, limit, path)


def opened_inside(root: Path, path: str) -> io.BufferedReader:
    """A regular file of a folder that others write in, opened so that nothing leads out of it meanwhile.

    Args:
        root: the folder, which is ours, so that it may be a link.
        path: of the file, relative to the folder; no part of it may be a link.

    Raises:
        OSError: as `opened`, or a part of the path is a link.
    """
    *folders, name = _parts(path)
    current = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for number, folder in enumerate(folders, 1):
            following = _entered(folder, "/".join(folders[:number]), current)
            os.close(current)
            current = following
        return _opened(name, path, current, follow=False)
    finally:
        os.close(current)


def read_inside(root: Path, path: str, limit: int) -> bytes:
    """The bytes of a file that `opened_inside` opens, of which there may be `limit`."""
    with opened_inside(root, path) as stream:
        return read_limited(stream, limit, path)


def opened_below(root: Path, path: str) -> io.BufferedReader:
    """As `opened_inside`, but links that stay in the folder are followed: `latest.joblib -> 2026.joblib`."""
    _parts(path)
    folder = os.path.realpath(root, strict=True)
    place = os.path.realpath(os.path.join(folder, path), strict=True)  # noqa: PTH118 - to keep the `..` of links
    if os.path.commonpath((folder, place)) != folder:
        raise UnfitFileError("it is a link out of the folder", path)
    return opened_inside(Path(folder), os.path.relpath(place, folder))


def listing(root: Path, path: str, *, most: int) -> dict[str, int]:
    """Regular files of a folder in a folder that others write in: sizes, by their sorted paths from there.

    Args:
        root: the folder that is ours.
        path: the one that is listed, relative to it.
        most: how many files and folders there may be.

    Raises:
        OSError: it is not there, has more, goes deeper than any record, or holds anything else, a link or a
            named pipe.
    """
    found: dict[str, int] = {}
    seen = 0
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in _parts(path):
            following = _entered(part, path, descriptor)
            os.close(descriptor)
            descriptor = following
        for place, size in _walked(descriptor, "", path):
            seen += 1
            if seen > most:
                raise UnfitFileError(f"it has more than {most:,} files", path)
            if size is not None:
                found[place] = size
    finally:
        os.close(descriptor)
    return dict(sorted(found.items()))


def pieces(stream: BinaryIO, path: str | os.PathLike[str]) -> Iterator[bytes]:
    """All of an opened file, however large; raises `UnfitFileError` where it changes while it is read."""
    before = os.fstat(stream.fileno())
    left = before.st_size
    while left and (piece := stream.read(min(_PIECE, left))):
        left -= len(piece)
        yield piece
    after = os.fstat(stream.fileno())
    if left or (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise UnfitFileError("it changed while it was read", path)


def read_limited(stream: BinaryIO, limit: int, path: str | os.PathLike[str]) -> bytes:
    """All of an opened file or pipe; raises `UnfitFileError` where that is more than `limit` bytes."""
    found, size = [], os.fstat(stream.fileno()).st_size
    if size <= limit:  # else nothing of it is read; those of /proc and of pipes say 0
        size = 0
        while piece := stream.read(min(_PIECE, limit + 1 - size)):
            found.append(piece)
            size += len(piece)
    if size > limit:
        raise UnfitFileError(f"it is larger than {shown_limit(limit)}", path)
    return b"".join(found)


def _parts(path: str) -> list[str]:
    parts = path.split("/")
    if any(part in {"", ".", ".."} or "\0" in part for part in parts):
        raise UnfitFileError("its path leads out of the folder", path)
    return parts


def _opened(name: str, path: str, parent: int | None, *, follow: bool) -> io.BufferedReader:
    # Looked at before it is opened: opening some devices does something.
    _need_regular(os.stat(name, dir_fd=parent, follow_symlinks=follow).st_mode, path)
    try:
        descriptor = os.open(name, _FLAGS | (0 if follow else os.O_NOFOLLOW), dir_fd=parent)
    except OSError as error:
        if error.errno == errno.ELOOP and not follow:
            raise UnfitFileError("it is a symbolic link", path) from error
        raise
    try:
        _need_regular(os.fstat(descriptor).st_mode, path)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _need_regular(mode: int, path: str) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "something else")
        raise UnfitFileError(f"it is {kind}, not a regular file", path)


def _entered(name: str, path: str, parent: int) -> int:
    try:
        return os.open(name, _ENTER, dir_fd=parent)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENOTDIR}:
            mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
            kind = _KINDS.get(stat.S_IFMT(mode), "a file")
            raise UnfitFileError(f"it is {kind}, not a folder", path) from error
        raise


def _walked(folder: int, below: str, path: str) -> Iterator[tuple[str, int | None]]:
    if below.count("/") > _DEEPEST:
        raise UnfitFileError(f"it has more than {_DEEPEST} levels of folders", path)
    with os.scandir(folder) as entries:
        for entry in entries:
            place = f"{below}{entry.name}"
            found = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode):
                yield place, None
                inner = _entered(entry.name, f"{path}/{place}", folder)
                try:
                    yield from _walked(inner, f"{place}/", path)
                finally:
                    os.close(inner)
            else:
                _need_regular(found.st_mode, f"{path}/{place}")
                yield place, found.st_size
