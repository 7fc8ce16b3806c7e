"""The tar of a layer in the store, decompressed as it is read, and its digest verified at the end."""

import gzip
import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from mlimage.errors import BuildError
from mlimage.oci.compress import zstandard
from mlimage.oci.model import LayerBlob
from mlimage.oci.store import Store
from mlimage.oci.untar import Readable

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_PIECE: Final = 1 << 20


class DamagedLayerError(BuildError):
    """What a layer unpacks to is not what it should be."""


class LayerStream:
    """Bytes of a layer's tar."""

    def __init__(
        self,
        layer: LayerBlob,
        raw: "Hashed",
        unpacked: Readable,
        errors: tuple[type[Exception], ...],
        *,
        verify: bool,
    ) -> None:
        self._layer = layer
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
            raise self._damaged() from error
        self._done += len(piece)
        if self._content is not None:
            self._content.update(piece)
        if self._layer.uncompressed_size and self._done > self._layer.uncompressed_size:
            raise DamagedLayerError(
                f"layer `{self._layer.name}` unpacks to more than the {self._layer.uncompressed_size} bytes "
                "it should have",
                hint="do not use this image; build it again",
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
        while self._raw.read(_PIECE):
            pass
        if self._raw.hexdigest() != self._layer.blob.digest.hex:
            raise self._damaged()
        if self._content is not None and self._content.hexdigest() != self._layer.diff_id.hex:
            raise DamagedLayerError(
                f"layer `{self._layer.name}`, {self._layer.blob.digest}, is not the tar that its image says: "
                f"expected {self._layer.diff_id}, got sha256:{self._content.hexdigest()}",
                hint="the image is wrong in its registry: push it there anew, or take another",
            )

    def _damaged(self) -> DamagedLayerError:
        return DamagedLayerError(
            f"layer `{self._layer.name}` in the store is damaged: {self._layer.blob.digest}",
            hint="`mlimage cache verify` removes it; then build the image again",
        )


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
def open_layer(layer: LayerBlob, store: Store, *, verify: bool = False) -> Iterator[LayerStream]:
    """The tar of a layer; whoever trusts what it read calls `finish`.

    Args:
        layer: which.
        store: where it is.
        verify: whether its tar is held against its diff_id, too.

    Raises:
        BuildError: the store lacks the layer, or it is packed in a way that is not known here.
    """
    try:
        stream = io.FileIO(store.blob(layer.blob.digest))
    except FileNotFoundError:
        raise BuildError(
            f"the store lacks layer `{layer.name}`: {layer.blob.digest}", hint="build the image again"
        ) from None
    with stream:
        raw = Hashed(stream)
        yield LayerStream(layer, raw, *_unpacker(layer, raw), verify=verify)


def _unpacker(layer: LayerBlob, raw: Hashed) -> tuple[Readable, tuple[type[Exception], ...]]:
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
