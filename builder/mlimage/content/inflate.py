"""Unpacks one compressed part of a file as a stream, in bounded memory and up to a limit."""

import bz2
import gzip
import importlib
import io
import lzma
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, Protocol, cast

from mlimage.errors import BuildError

_CHUNK: Final = 1 << 18
_XZ_MEMORY: Final = 80 << 20
"""What `xz -9`, the highest level that dpkg-deb offers, needs to decompress is 65 MiB."""
_ZSTD: Final = ("compression.zstd", "backports.zstd")


class _Decoder(Protocol):
    """What `lzma`, `bz2` and `compression.zstd` have in common."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class Slice(io.RawIOBase):
    """Exactly `size` bytes of a file from `offset` on, as a seekable stream of its own that owns the file."""

    def __init__(self, stream: BinaryIO, offset: int, size: int) -> None:
        super().__init__()
        self._stream = stream
        self._offset = offset
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As every file does; places outside stand for its begin and its end."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = min(max(base + offset, 0), self._size)
        return self._position

    def readinto(self, buffer: object) -> int:
        """As many bytes as fit and are left."""
        view = memoryview(cast("bytearray", buffer))[: self._size - self._position]
        count = os.preadv(self._stream.fileno(), [view], self._offset + self._position)
        self._position += count
        return count

    def close(self) -> None:
        """Close the file too."""
        self._stream.close()
        super().close()


def open_part(path: Path, offset: int, size: int) -> BinaryIO:
    """A stream of `size` bytes of the file at `path`, from `offset` on."""
    return cast("BinaryIO", io.BufferedReader(Slice(path.open("rb", buffering=0), offset, size)))


def inflate(stream: BinaryIO, compression: str, write: Callable[[bytes], object], *, limit: int) -> int:
    """Write what `stream` unpacks to; returns how many bytes that is.

    Args:
        stream: the packed bytes, up to their end.
        compression: `xz`, `gz`, `bz2`, `zst`, or empty for none.
        write: gets the bytes piece by piece.
        limit: bytes after which it is refused.

    Raises:
        BuildError: damaged, cut short, followed by other bytes, larger than the limit, or packed in a way
            that this Python cannot read.
    """
    written = 0
    try:
        for block in _blocks(stream, compression):
            written += len(block)
            if written > limit:
                raise BuildError(f"it unpacks to more than {limit >> 20} MiB, which is more than it declares")
            write(block)
    except EOFError:
        raise BuildError("it is cut short") from None
    except (lzma.LZMAError, zlib.error, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise BuildError(f"it cannot be unpacked ({error})") from None
    return written


def _blocks(stream: BinaryIO, compression: str) -> Iterator[bytes]:
    match compression:
        case "":
            yield from iter(lambda: stream.read(_CHUNK), b"")
        case "gz":
            with gzip.GzipFile(fileobj=stream) as unpacked:
                yield from iter(lambda: unpacked.read(_CHUNK), b"")
        case "xz":
            yield from _decode(stream, lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_XZ_MEMORY))
        case "bz2":
            yield from _decode(stream, bz2.BZ2Decompressor())
        case "zst":
            yield from _decode(stream, _zstd())
        case _:
            raise BuildError(f"its compression `{compression}` is not known")


def _decode(stream: BinaryIO, decoder: _Decoder) -> Iterator[bytes]:
    while not decoder.eof:
        packed = stream.read(_CHUNK) if decoder.needs_input else b""
        if decoder.needs_input and not packed:
            raise EOFError
        yield decoder.decompress(packed, max_length=_CHUNK)
    if decoder.unused_data or stream.read(1):
        raise BuildError("there are bytes after its end")


def _zstd() -> _Decoder:
    for name in _ZSTD:
        try:
            return cast("_Decoder", importlib.import_module(name).ZstdDecompressor())
        except ModuleNotFoundError:
            continue
    raise BuildError(
        "it is packed with zstd, which this Python cannot read",
        hint="run mlimage with Python 3.14 or later, or add `backports.zstd` to its environment",
    )
