"""A file that is still being written: hashed as it grows, resumed later, named only when it is right."""

import errno
import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from mlimage.atomic import PARTIAL
from mlimage.digest import Digest
from mlimage.errors import FetchError, reason_of
from mlimage.progress import Task
from mlimage.refusals import refusal_of

CHUNK: Final = 1 << 18
_REPLACED_HINT: Final = "it was replaced or damaged there; if the change is meant, `mlimage lock --upgrade`"


class NotWrittenError(FetchError):
    """This machine does not take the file; another mirror would not help."""

    exit_status = 11  # as what else this machine refuses: docs/exit-statuses.md


class ReplacedError(FetchError):
    """What came is a file, but has another hash or size."""


class Partial:
    """The bytes so far. One process and thread has it at a time (see `partial`)."""

    def __init__(self, stream: IO[bytes], task: Task) -> None:
        self._stream = stream
        self._task = task
        self._hash = hashlib.sha256()
        self._shown = 0
        self.position = 0
        while chunk := stream.read(CHUNK):  # what an interrupted run left
            self._count(chunk)

    def write(self, chunk: bytes) -> None:
        """Append."""
        self._stream.write(chunk)
        self._count(chunk)

    def restart(self) -> None:
        """Throw away what is there."""
        self._stream.seek(0)
        self._stream.truncate()
        self._hash = hashlib.sha256()
        self.position = 0

    @property
    def digest(self) -> Digest:
        """Digest of the bytes so far."""
        return Digest("sha256:" + self._hash.hexdigest())

    def _count(self, chunk: bytes) -> None:
        self._hash.update(chunk)
        self.position += len(chunk)
        if self.position > self._shown:  # bytes that are fetched a second time are not shown again
            self._task.advance(self.position - self._shown)
            self._shown = self.position


@contextmanager
def partial(to: Path, digest: Digest, task: Task) -> Iterator[Partial | None]:
    """Hold the unfinished file of `to`; when the block ends without an error it gets its name.

    Gives None when somebody else finished it while we waited for them. After an error the unfinished file
    stays, so that a later run resumes; the block empties it (`restart`) when its bytes are of no use.

    Raises:
        NotWrittenError: the disk is full, or the folder cannot be written.
    """
    unfinished = to.parent / f"{PARTIAL}{digest.hex}"
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        known = _state(to)
        with _locked(unfinished) as stream:
            if _state(to) != known:
                unfinished.unlink()
                yield None
                return
            growing = Partial(stream, task)
            try:
                yield growing
                stream.flush()
            except BaseException as error:
                if growing.position == 0 or _is_full(error):
                    with suppress(OSError):
                        unfinished.unlink()
                raise
            os.fchmod(stream.fileno(), 0o644)
            unfinished.replace(to)
    except OSError as error:
        raise _not_written(to, error) from error


def copy_verified(source: Path, to: Path, *, digest: Digest, size: int | None, task: Task) -> None:
    """Copy a file of this machine; the name appears only when the bytes have the digest.

    Raises:
        FetchError: it cannot be read or written, or has another digest or size.
    """
    with partial(to, digest, task) as growing:
        if growing is None:
            return
        growing.restart()
        try:
            stream = source.open("rb")
        except OSError as error:
            raise FetchError(f"`{source}` cannot be read: {reason_of(error)}") from error
        with stream:
            while chunk := stream.read(CHUNK):
                growing.write(chunk)
        check(growing, name=source.name, place=str(source), digest=digest, size=size)


def check(
    growing: Partial, *, name: str, place: str, digest: Digest, size: int | None, page: bool = False
) -> None:
    """Compare what came with what was promised; empties the unfinished file when it differs.

    Args:
        growing: what came.
        name: the file's name, for messages.
        place: where it came from, for messages.
        digest: what was promised.
        size: likewise.
        page: whether the server said that it sent an HTML page.

    Raises:
        ReplacedError: another size or digest.
        FetchError: likewise, of a web page.
    """
    got, length = growing.digest, growing.position
    if got == digest and size in {None, length}:
        return
    growing.restart()
    if size is not None and size != length:
        came = "more" if length > size else str(length)
        message = f"`{name}` from `{place}` has another size: expected {size} bytes, got {came}"
    else:
        message = f"`{name}` from `{place}` has another hash: expected {digest}, got {got}"
    if page:
        raise FetchError(
            message, hint="the server sent a web page instead: is a login, or a proxy, in between?"
        )
    raise ReplacedError(message, hint=_REPLACED_HINT)


def _not_written(path: Path, error: OSError) -> NotWrittenError:
    """The error for a file that this machine does not let us write."""
    if error.filename is None:
        error.filename = str(path.parent)
    if refusal := refusal_of(error):
        return NotWrittenError(refusal.what, hint=refusal.hint)
    return NotWrittenError(
        f"`{path.parent}` cannot be written: {reason_of(error)}",
        hint="set MLIMAGE_CACHE to a folder that you may write",
    )


def _is_full(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


@contextmanager
def _locked(path: Path) -> Iterator[IO[bytes]]:
    """Open for reading and writing, alone among processes and threads."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        with os.fdopen(descriptor, "r+b") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            if _is_at(stream, path):
                yield stream
                return
        # Whoever held it gave it its final name, so it is no longer ours to write: take the next one.


def _is_at(stream: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except FileNotFoundError:
        return False
