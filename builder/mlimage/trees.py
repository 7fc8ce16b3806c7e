"""Folders of any depth, walked and deleted by descriptors: no path is too long, and no link is followed."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from mlimage.errors import reason_of

_ENTER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OWNER_MAY_ALL: Final = 0o700
_SHOWN: Final = 120
"""Letters of a path that a message has room for."""


class Descent:
    """A place in a tree, from which one goes down and up; two descriptors, however deep that is.

    `..` counts only where it leads back to the folder above, as in fts(3): what others move meanwhile leads
    nowhere else. Other file systems that are mounted in the tree are not entered.

    Raises:
        OSError: the folder cannot be opened.
    """

    def __init__(self, top: Path) -> None:
        self._top = os.open(top, _ENTER)
        self._device = os.fstat(self._top).st_dev
        self._trail: list[tuple[str, int]] = []
        self.descriptor = os.dup(self._top)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self.descriptor)
        os.close(self._top)

    @property
    def path(self) -> str:
        """Of this place from the top, which is empty."""
        return "/".join(name for name, _ in self._trail)

    def entries(self) -> list[os.DirEntry[str]]:
        """What is here; to be looked at before one goes on."""
        with os.scandir(self.descriptor) as listing:
            return list(listing)

    def enter(self, name: str) -> None:
        """Go into a folder of this one; raises `OSError` where that cannot be, and stays here then."""
        below = os.open(name, _ENTER, dir_fd=self.descriptor)
        if os.fstat(below).st_dev != self._device:
            os.close(below)
            raise OSError(errno.EXDEV, "another file system is mounted there", name)
        self._trail.append((name, os.fstat(self.descriptor).st_ino))
        self._stand_on(below)

    def leave(self) -> str:
        """Go back up; gives the name of the folder that is left, and raises `OSError` where it was moved."""
        name, above = self._trail.pop()
        try:
            descriptor = os.open("..", _ENTER, dir_fd=self.descriptor)
        except PermissionError:  # of a folder that may be listed, and no more
            descriptor = self._from_top()
        if os.fstat(descriptor).st_ino != above:
            os.close(descriptor)
            raise OSError(errno.ESTALE, "it was moved meanwhile", name)
        self._stand_on(descriptor)
        return name

    def _from_top(self) -> int:
        descriptor = os.dup(self._top)
        for name, _ in self._trail:
            try:
                below = os.open(name, _ENTER, dir_fd=descriptor)
            finally:
                os.close(descriptor)
            descriptor = below
        return descriptor

    def _stand_on(self, descriptor: int) -> None:
        os.close(self.descriptor)
        self.descriptor = descriptor


def walk(top: Path) -> Iterator[tuple[Descent, list[os.DirEntry[str]]]]:
    """Each folder of a tree, from the top down, with what is in it; what cannot be entered is passed over.

    Raises:
        OSError: the top cannot be read, or something was moved out of it meanwhile.
    """
    with Descent(top) as at:
        entries = at.entries()
        yield at, entries
        pending = [_folders(entries)]
        while pending:
            if not pending[-1]:
                pending.pop()
                if pending:
                    at.leave()
                continue
            try:
                at.enter(pending[-1].pop())
            except OSError:
                continue
            entries = at.entries()
            yield at, entries
            pending.append(_folders(entries))


def _folders(entries: list[os.DirEntry[str]]) -> list[str]:
    return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]


@dataclass(slots=True)
class Left:
    """What could not be deleted.

    Attributes:
        count: how many things.
        path: the first of them, from the top; empty for the top itself.
        reason: why, in the grammar of messages.
    """

    count: int = 0
    path: str = field(default="")
    reason: str = field(default="")

    def __str__(self) -> str:
        shown = self.path if len(self.path) <= _SHOWN else f"{self.path[:_SHOWN]}…"
        more = f", and {self.count - 1} more" if self.count > 1 else ""
        return f"`{shown}` ({self.reason}){more}" if shown else self.reason

    def add(self, at: Descent | None, name: str, error: OSError) -> None:
        """One more; folders that are not empty, since something in them stays, do not count."""
        if self.count and error.errno in {errno.ENOTEMPTY, errno.EEXIST}:
            return
        if not self.count:
            self.path = f"{at.path}/{name}".lstrip("/") if at else name
            self.reason = reason_of(error)
        self.count += 1


def remove_tree(top: Path) -> Left | None:
    """Delete a file, or a folder with all that is in it; gives what stays, None when nothing does.

    Depth, length of paths and missing permission bits do not matter; links are deleted, never followed; what
    is mounted in the folder stays with all that is in it. What others delete meanwhile is as good as deleted.
    """
    left = Left()
    try:
        _remove(top, left)
    except FileNotFoundError:
        pass
    except OSError as error:
        left.add(None, "", error)
    return left if left.count else None


def _remove(top: Path, left: Left) -> None:
    if not stat.S_ISDIR(os.lstat(top).st_mode):
        top.unlink()
        return
    with suppress(PermissionError):
        top.chmod(_OWNER_MAY_ALL)
    with Descent(top) as at:
        pending = [_clear(at, left)]
        while pending:
            if pending[-1]:
                name = pending[-1].pop()
                try:
                    _enter(at, name)
                except FileNotFoundError:
                    continue
                except OSError as error:
                    left.add(at, name, error)
                    continue
                pending.append(_clear(at, left))
                continue
            pending.pop()
            if pending:
                _remove_folder(at, at.leave(), left)
    top.rmdir()


def _enter(at: Descent, name: str) -> None:
    try:
        at.enter(name)
    except PermissionError:
        _permit(at, name)
        at.enter(name)


def _permit(at: Descent, name: str) -> None:
    """Let its owner, who this process is, read a folder; `chmod` by name would follow a link on Linux."""
    if not hasattr(os, "O_PATH"):
        os.chmod(name, _OWNER_MAY_ALL, dir_fd=at.descriptor, follow_symlinks=False)
        return
    descriptor = os.open(
        name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at.descriptor
    )
    try:
        Path(f"/proc/self/fd/{descriptor}").chmod(_OWNER_MAY_ALL)
    finally:
        os.close(descriptor)


def _clear(at: Descent, left: Left) -> list[str]:
    """Delete what is here but for folders that are not empty, whose names it gives."""
    if stat.S_IMODE(os.fstat(at.descriptor).st_mode) & _OWNER_MAY_ALL != _OWNER_MAY_ALL:
        with suppress(PermissionError):
            os.fchmod(at.descriptor, _OWNER_MAY_ALL)
    filled = []
    for entry in at.entries():
        if entry.is_dir(follow_symlinks=False):
            if not _remove_folder(at, entry.name, left, maybe_filled=True):
                filled.append(entry.name)
            continue
        try:
            os.unlink(entry.name, dir_fd=at.descriptor)
        except FileNotFoundError:
            pass
        except OSError as error:
            left.add(at, entry.name, error)
    return filled


def _remove_folder(at: Descent, name: str, left: Left, *, maybe_filled: bool = False) -> bool:
    """Delete an empty folder; False where it is not. A mount point is refused (EBUSY), whatever is in it."""
    try:
        os.rmdir(name, dir_fd=at.descriptor)
    except FileNotFoundError:
        pass
    except OSError as error:
        if maybe_filled and error.errno in {errno.ENOTEMPTY, errno.EEXIST}:
            return False
        left.add(at, name, error)
    return True
