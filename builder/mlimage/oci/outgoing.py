"""Blobs of a store on their way out: hashed as they are read, and taken out of it when they are damaged.

Whoever writes a blob stamps it: the microseconds of its modification time follow from its digest. Whatever
writes into the file later sets another time, so one look tells whether the file is as it was when it was last
read whole; one in a million changes is missed by that look, and by no reading.
"""

import hashlib
import io
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mlimage.digest import Digest
from mlimage.errors import BuildError
from mlimage.oci.model import Descriptor

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_SECOND: Final = 1_000_000_000
_MICROSECOND: Final = 1_000
"""What all file systems keep that know parts of a second; on others each blob is read again and again."""


class DamagedError(BuildError):
    """What a store has is not what its name says."""


class Outgoing(io.RawIOBase):
    """The bytes of a blob; the last ones are given only when all have its digest.

    Args:
        path: where it lies.
        blob: which it is.
        name: of the layer that it is, for messages.

    Raises:
        FileNotFoundError: it is not there.
        DamagedError: while it is read: it is damaged, and not there any more.
    """

    def __init__(self, path: Path, blob: Descriptor, *, name: str | None = None) -> None:
        super().__init__()
        self._path = path
        self._blob = blob
        self._name = name
        self._file = io.FileIO(path)
        self._hash = hashlib.sha256()
        self._done = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """As many bytes as the file gives at once."""
        size = self._file.readinto(buffer) or 0
        self._hash.update(memoryview(buffer)[:size])
        self._done += size
        if (not size and memoryview(buffer)) or self._done >= self._blob.size:
            self._check()
        return size

    def read(self, size: int = -1, /) -> bytes:
        """Up to so many bytes."""
        return super().read(size) or b""

    def close(self) -> None:
        """Close the file too."""
        self._file.close()
        super().close()

    def _check(self) -> None:
        if self._done != self._blob.size or self._hash.hexdigest() != self._blob.digest.hex:
            raise damaged(self._path, self._blob.digest, name=self._name, read=os.fstat(self._file.fileno()))


def damaged(
    path: Path, digest: Digest, *, name: str | None = None, read: os.stat_result | None = None
) -> DamagedError:
    """The error for a damaged blob, which is deleted, so that the next build or pull brings it anew.

    Args:
        path: where it lies.
        digest: what it should be.
        name: of the layer that it is.
        read: the file that was read; where another one has its name by now, that one stays.
    """
    hint = "it is deleted: build the image again, or pull it again"
    try:
        if read is None or os.path.samestat(read, path.stat()):
            path.unlink()
    except FileNotFoundError:
        pass
    except OSError:
        hint = f"delete `{path}`; then build the image again, or pull it again"
    what = f"layer `{name}` in the store is damaged: {digest}" if name else f"the store's {digest} is damaged"
    return DamagedError(what, hint=hint)


def stamp(path: Path, digest: Digest) -> None:
    """Note that the file is what the digest says; where it cannot be noted it is read again next time."""
    with suppress(OSError):
        seconds = path.stat().st_mtime_ns // _SECOND
        time = seconds * _SECOND + _microseconds(digest)
        os.utime(path, ns=(time, time))


def is_stamped(found: os.stat_result, digest: Digest) -> bool:
    """Whether nobody has written into the file since it was stamped."""
    return found.st_mtime_ns % _SECOND == _microseconds(digest)


def _microseconds(digest: Digest) -> int:
    """In nanoseconds, and never 0, which is what copies have that keep whole seconds."""
    return (1 + int(digest.hex[:8], 16) % 999_999) * _MICROSECOND
