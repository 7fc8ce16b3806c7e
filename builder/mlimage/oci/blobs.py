"""One blob on its way into a store: it has no name until it is whole."""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from mlimage.atomic import NEW, PARTIAL, begun, ended, writing
from mlimage.digest import Digest
from mlimage.oci.model import Descriptor
from mlimage.oci.outgoing import stamp


class BlobWriter:
    """A blob that is being written. Left without `commit`, nothing stays.

    The unfinished file is locked while it is written, so that `sweep` knows it from
    one that a killed process left.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        with begun(folder) as self._temporary:
            descriptor = os.open(self._temporary, NEW, 0o600)
        self._stream = os.fdopen(descriptor, "wb", buffering=0)
        self._hash = hashlib.sha256()
        self._size = 0
        fcntl.flock(self._stream, fcntl.LOCK_EX)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stream.close()
        with suppress(FileNotFoundError):
            self._temporary.unlink()
        ended(self._temporary)

    def write(self, data: bytes) -> None:
        """Append; raises `OSError` when the disk is full or cannot be written."""
        view = memoryview(data)
        with writing(self._folder):
            while view:
                view = view[self._stream.write(view) or 0 :]
        self._hash.update(data)
        self._size += len(data)

    def commit(self, media_type: str) -> Descriptor:
        """Give the blob its name, which is its digest; a blob of that name is replaced by the same bytes."""
        digest = Digest.from_hex(self._hash.hexdigest())
        os.fchmod(self._stream.fileno(), 0o644)
        stamp(self._temporary, digest)
        self._temporary.replace(self._folder / digest.hex)
        return Descriptor(media_type=media_type, digest=digest, size=self._size)


def sweep(folder: Path, *, before: float) -> Iterator[tuple[Path, int]]:
    """Delete unfinished files that nobody writes, last written before a time; gives their names and sizes."""
    for path in sorted(folder.glob(f"{PARTIAL}*")):
        with _free(path) as size:
            if size is not None and path.lstat().st_mtime < before:
                path.unlink()
                yield path, size


@contextmanager
def _free(path: Path) -> Iterator[int | None]:
    """The size of an unfinished file when no process writes it, else None."""
    try:
        stream = path.open("rb")
    except (FileNotFoundError, IsADirectoryError):
        yield None
        return
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield os.fstat(stream.fileno()).st_size
