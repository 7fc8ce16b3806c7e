"""The tar of a layer in the store, decompressed as it is read, and its digest verified at the end."""

import gzip
import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from mlimage.bounds import RATIO, UNPACKED, is_bomb
from mlimage.errors import BuildError
from mlimage.oci.compress import zstandard
from mlimage.oci.model import LayerBlob
from mlimage.oci.outgoing import DamagedError
from mlimage.oci.store import Store
from mlimage.oci.untar import Readable

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_PIECE: Final = 1 << 20


class LayerStream:
    """Bytes of a layer's tar."""

    def __init__(
        self,
        layer: LayerBlob,
        raw: io.RawIOBase,
        unpacked: Readable,
        errors: tuple[type[Exception], ...],
        *,
        verify: bool,
        most: int,
    ) -> None:
        self._layer = layer
        self._most = most
        self._content = hashlib.sha256() if verify else None
        self._raw = raw
        self._unpacked = unpacked
        self._errors = errors
        self._done = 0

    def read(self, size: int, /) -> bytes:
        """Some of the next bytes; raises `BuildError` when it is damaged or larger than it should be."""
        try:
            piece = self._unpacked.read(size)
        except self._errors as error:
            self._drain()  # whose error is the truer one
            raise DamagedError(
                f"layer `{self._layer.name}`, {self._layer.blob.digest}, cannot be unpacked: {error}",
                hint="the image is damaged in its registry: push it again, or use another",
            ) from error
        self._done += len(piece)
        if self._content is not None:
            self._content.update(piece)
        if self._layer.uncompressed_size and self._done > self._layer.uncompressed_size:
            raise DamagedError(
                f"layer `{self._layer.name}` unpacks to more than the {self._layer.uncompressed_size} bytes "
                "it should have",
                hint="do not use this image; build it again",
            )
        if is_bomb(packed=self._layer.blob.size, unpacked=self._done):
            raise BuildError(
                f"layer `{self._layer.name}` unpacks to more than {RATIO} times its "
                f"{self._layer.blob.size} bytes"
            )
        if self._done > self._most:
            raise BuildError(
                f"with layer `{self._layer.name}` the image unpacks to more than {UNPACKED} bytes"
            )
        return piece

    @property
    def size(self) -> int:
        """Bytes that were read."""
        return self._done

    def finish(self) -> None:
        """Read the rest; raises `BuildError` when the blob, or its verified tar, has another digest."""
        while self.read(_PIECE):
            pass
        self._drain()
        if self._content is not None and self._content.hexdigest() != self._layer.diff_id.hex:
            raise DamagedError(
                f"layer `{self._layer.name}`, {self._layer.blob.digest}, is not the tar that its image says: "
                f"expected {self._layer.diff_id}, got sha256:{self._content.hexdigest()}",
                hint="the image is wrong in its registry: push it there anew, or take another",
            )

    def _drain(self) -> None:
        """Read the blob to its end, where it is held against its digest."""
        while self._raw.read(_PIECE):
            pass


class Hashed(io.RawIOBase):
    """A file that hashes what is read of it.

    Attributes:
        done: bytes that were read.
    """

    def __init__(self, stream: io.RawIOBase) -> None:
        super().__init__()
        self.done = 0
        self._stream = stream
        self._hash = hashlib.sha256()

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """As many bytes as the file gives at once."""
        size = self._stream.readinto(buffer) or 0
        self._hash.update(memoryview(buffer)[:size])
        self.done += size
        return size

    def read(self, size: int = -1, /) -> bytes:
        """Up to so many bytes."""
        return super().read(size) or b""

    def hexdigest(self) -> str:
        """Of what was read so far."""
        return self._hash.hexdigest()


@contextmanager
def open_layer(
    layer: LayerBlob, store: Store, *, verify: bool = False, most: int = UNPACKED
) -> Iterator[LayerStream]:
    """The tar of a layer; whoever trusts what it read calls `finish`.

    Args:
        layer: which.
        store: where it is.
        verify: whether its tar is held against its diff_id, too.
        most: bytes that it may unpack to.

    Raises:
        BuildError: the store lacks the layer, or it is packed in a way that is not known here.
    """
    with store.open(layer.blob, name=layer.name) as raw:
        yield LayerStream(layer, raw, *_unpacker(layer, raw), verify=verify, most=most)


def _unpacker(layer: LayerBlob, raw: io.RawIOBase) -> tuple[Readable, tuple[type[Exception], ...]]:
    media_type = layer.blob.media_type
    if media_type.endswith((".tar.gzip", "+gzip")):
        return unpacker(raw, "gzip")
    if media_type.endswith("+zstd"):
        return unpacker(raw, "zstd")
    if media_type.endswith(".tar"):
        return unpacker(raw, "none")
    raise BuildError(f"layer `{layer.name}` is of a kind that is not known here: `{media_type}`")


def unpacker(
    raw: io.RawIOBase, packing: Literal["gzip", "zstd", "none"]
) -> tuple[Readable, tuple[type[Exception], ...]]:
    """What `raw` unpacks to, and what its decompressor raises where it is damaged.

    Raises:
        BuildError: the decompressor is not installed.
    """
    if packing == "gzip":
        from isal import igzip, igzip_lib

        open_gzip: Callable[..., Readable] = igzip.IGzipFile
        damaged: Any = igzip_lib.IsalError  # isal's stub says that this class is a value
        return open_gzip(fileobj=raw, mode="rb"), (damaged, gzip.BadGzipFile, EOFError)
    if packing == "zstd":
        library = zstandard()
        return library.ZstdDecompressor().stream_reader(raw, read_across_frames=True), (library.ZstdError,)
    return cast("Readable", raw), ()
