"""Things that lie where a file should, and a watchdog for those who read them."""

import os
import signal
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

_PATIENCE = 20.0
"""Seconds; what is read here is small."""


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def link(path: Path) -> None:
    """To a regular file out of the folder."""
    outside = path.parent.parent / f"{path.name}-outside"
    outside.write_bytes(b"somebody else's\n")
    path.symlink_to(outside)


def pipe(path: Path) -> None:
    os.mkfifo(path)


def sparse(path: Path) -> None:
    """A terabyte, of which nothing is on the disk."""
    path.touch()
    os.truncate(path, 1 << 40)


def folder(path: Path) -> None:
    path.mkdir()


def device(path: Path) -> None:
    """Only root can make one."""
    os.mknod(path, 0o644 | stat.S_IFCHR, os.makedev(1, 5))


UNFIT: Mapping[str, Callable[[Path], None]] = {
    "endless": endless,
    "link": link,
    "pipe": pipe,
    "sparse": sparse,
    "folder": folder,
}


def put(kind: str, path: Path) -> None:
    """Put one in place of what is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    UNFIT[kind](path)


@contextmanager
def watchdog(seconds: float = _PATIENCE) -> Iterator[None]:
    """What waits for ever, or reads what has no end, fails. Of the main thread."""

    def bark(_number: int, _frame: FrameType | None) -> NoReturn:
        raise TimeoutError(f"it goes on for more than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, bark)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
