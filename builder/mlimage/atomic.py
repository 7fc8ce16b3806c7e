"""Writes that are whole or not there: a reader, or a run after `kill -9`, never sees half a file."""

import atexit
import errno
import fcntl
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from threading import RLock
from typing import IO, Final

from mlimage.errors import MlimageWarning
from mlimage.signals import deferred
from mlimage.trees import remove_tree

PARTIAL: Final = ".partial-"
"""How the names of unfinished files and folders begin; whoever finds an old one may delete it."""
ASIDE: Final = ".aside-"
"""How the names of folders begin that could not be deleted: `mlimage cache prune` tries it again."""
TEMPORARY: Final = "mlimage-"
"""How the names of what lies in TMPDIR begin."""
STANDARD_OUTPUT: Final = "standard output"
"""What errors call it, where others have a path."""

OF_WRITES: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS})
"""With what write(2) fails for want of room, or of a disk that takes it."""
TAKES_NOTHING: Final = frozenset({errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT})
"""How a folder is refused that can be read and not written."""


@contextmanager
def writing(place: Path | str) -> Iterator[None]:
    """Let the error of a write say where: write(2) does not, and whose disk is full is what people ask.

    Of places in each other the outer counts, which is the one that people know.
    """
    try:
        yield
    except OSError as error:
        inside = isinstance(error.filename, str) and Path(error.filename).is_relative_to(place)
        if error.errno in OF_WRITES and (error.filename is None or inside):
            error.filename = str(place)
        raise


def need_space(folder: Path, size: int) -> None:
    """Raise the `OSError` of a full disk where fewer bytes are free: for programs that do not end there."""
    disk = os.statvfs(folder)
    if disk.f_bavail * disk.f_frsize < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


NEW: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
"""How an unfinished file is opened."""

_unfinished: Final[set[Path]] = set()
"""Goes with the process: what a thread is writing at its end, or what a signal has kept from going before."""
_beginning: Final = RLock()


@contextmanager
def atomic_file(path: Path, *, mode: int = 0o644, durable: bool = False) -> Iterator[IO[bytes]]:
    """A file that gets its name only when the block ends without an error.

    Args:
        path: the final name; its folder is made when missing.
        mode: permission bits of the file, whatever the umask.
        durable: wait until the bytes are on the disk before the name appears.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with begun(path.parent) as temporary:
        descriptor = os.open(temporary, NEW, 0o600)
    try:
        with writing(path), os.fdopen(descriptor, "wb") as stream:
            os.fchmod(descriptor, mode)
            yield stream
            stream.flush()
            if durable:
                os.fsync(descriptor)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        ended(temporary)


def write_atomically(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write a whole file, or leave what was there."""
    with atomic_file(path, mode=mode) as stream:
        stream.write(content)


def note(path: Path, content: bytes) -> None:
    """Write what only spares work another time; a cache that takes nothing more is read all the same."""
    try:
        write_atomically(path, content)
    except OSError as error:
        if error.errno not in TAKES_NOTHING:
            raise


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A folder that gets its name only when the block ends without an error.

    When another process made the same folder meanwhile, that one is kept: it is for content-addressed names.
    """
    with scratch_folder(path.parent) as temporary:
        temporary.chmod(0o755)
        yield temporary
        try:
            temporary.rename(path)
        except OSError:
            if not path.is_dir():
                raise


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A folder for unfinished things, gone when the block ends, with what killed processes left beside it.

    It is locked while it is in use, which the kernel ends with the process.
    """
    parent.mkdir(parents=True, exist_ok=True)
    for left in parent.glob(f"{PARTIAL}*"):
        _remove_unless_locked(left)
    folder, descriptor = _locked_folder(parent)
    try:
        with writing(parent):
            yield folder
    finally:
        os.close(descriptor)
        discard(folder)
        ended(folder)


@contextmanager
def begun(folder: Path) -> Iterator[Path]:
    """The name of something unfinished, which the block makes; the process leaves it to nobody."""
    path = folder / f"{PARTIAL}{token_hex(8)}"
    with _beginning:
        _unfinished.add(path)
        yield path


def ended(path: Path) -> None:
    """It has its final name, or is gone."""
    if not os.path.lexists(path):
        _unfinished.discard(path)


@atexit.register
def _leave_nothing() -> None:
    """Threads may still run; those that would begin something wait from now on."""
    # This one may: what was registered before this is called after it.
    _beginning.acquire(timeout=1)
    for path in _unfinished.copy():
        remove_tree(path)


@contextmanager
def temporary_folder(name: str, parent: Path | None = None) -> Iterator[Path]:
    """A folder for this process alone, named so for people, and gone when the block ends.

    Args:
        name: what it is for, in a word.
        parent: where; None: TMPDIR.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"{TEMPORARY}{name}-", dir=parent))
    try:
        with writing(folder):
            yield folder
    finally:
        with deferred():
            discard(folder)


def discard(folder: Path) -> bool:
    """Delete a folder that nobody needs, and say whether all of it went.

    What cannot be deleted stops nobody: it gets a name that nobody looks at, and a warning names it.
    """
    left = remove_tree(folder)
    if left is None:
        return True
    aside = folder
    if not folder.name.startswith(ASIDE):
        with suppress(OSError):
            aside = folder.rename(folder.with_name(f"{ASIDE}{folder.name.removeprefix(PARTIAL)}"))
    warnings.warn(MlimageWarning(f"`{aside}` cannot be deleted: {left}"), stacklevel=2)
    return False


def _locked_folder(parent: Path) -> tuple[Path, int]:
    while True:
        with begun(parent) as folder:
            folder.mkdir(mode=0o700)
        with suppress(FileNotFoundError):  # between the making and the lock another process may remove it
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            if folder.exists():
                return folder, descriptor
            os.close(descriptor)


def _remove_unless_locked(folder: Path) -> None:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:  # a file, gone meanwhile, or not ours
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        discard(folder)
    except BlockingIOError:
        pass
    finally:
        os.close(descriptor)
