"""How layers are compressed: always the same bytes for the same tar, or an error before anything is built.

Neither deflate nor zstd has one canonical output, so the compressor, its level and the pieces that it gets
are fixed, and a known answer is computed once in each process: a library that compresses otherwise is found
there, and not in a digest that differs later. The image id depends on none of this; the image's digest does.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, Final, Protocol

from mlimage.errors import BuildError
from mlimage.oci.model import LAYER
from mlimage.oci.tar import CHUNK
from mlimage.plan.model import Compression

ZSTANDARD: Final = "zstandard==0.25.0"
"""The package of `compression: zstd`: libzstd's bytes change with most releases, so exactly this one."""


class _Stream(Protocol):
    """What zlib-like compressor objects have in common."""

    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


class _Plain:
    def compress(self, data: bytes, /) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


def _igzip() -> _Stream:
    from isal import isal_zlib

    # 31: with a gzip header, which igzip writes without name and time, and OS 255. Measured on site-packages
    # and shared libraries: level 2 gives 1.5 % less than level 1 in 5 % more time,
    # level 3 another 1.4 % less in 60 % more.
    stream: _Stream = isal_zlib.compressobj(level=2, wbits=31, memLevel=8)
    return stream


def zstandard() -> Any:
    """The python package of that name; raises `BuildError` where it is not installed."""
    try:
        return import_module("zstandard")
    except ImportError:
        raise BuildError(
            "layers in zstd need the python package `zstandard`", hint=f"type `pip install {ZSTANDARD}`"
        ) from None


def _zstd() -> _Stream:
    compressor = zstandard().ZstdCompressor(
        level=3, threads=0, write_checksum=False, write_content_size=False, write_dict_id=False
    )
    stream: _Stream = compressor.compressobj()
    return stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """A compressor with its level.

    Attributes:
        id: what layers name it by, `PROGRAM-LEVEL`.
        media_type: of a layer that it made.
        start: makes a compressor.
        answer: SHA-256 of what it makes of the known input; empty where nothing can differ.
    """

    id: str
    media_type: str
    start: Callable[[], _Stream]
    answer: str


_IGZIP: Final = "2b6d5b8d57457cdc0e95537b6438807dc6f489aeaa85ff28a824c8e2a1bb527c"
"""The same from isal 1.7.2, 1.8.0 and 1.9.1."""
_ZSTD: Final = "8f1e280328394c7587fba1b858d127fc8783d9ebf06113d2a32c9674a4e237a4"

_CODECS: Final = {
    Compression.GZIP: Codec(id="igzip-2", media_type=LAYER + "+gzip", start=_igzip, answer=_IGZIP),
    Compression.ZSTD: Codec(id="zstd-3", media_type=LAYER + "+zstd", start=_zstd, answer=_ZSTD),
    Compression.NONE: Codec(id="none", media_type=LAYER, start=_Plain, answer=""),
}


class Compressor:
    """Compresses a stream; the result depends on its bytes alone, not on the pieces that it comes in."""

    def __init__(self, codec: Codec) -> None:
        self._stream = codec.start()
        self._waiting = bytearray()

    def write(self, data: bytes) -> bytes:
        """Take some bytes, and give those of the result that are ready."""
        if not self._waiting and len(data) == CHUNK:
            return self._stream.compress(data)
        self._waiting += data
        ready = []
        while len(self._waiting) >= CHUNK:
            ready.append(self._stream.compress(bytes(self._waiting[:CHUNK])))
            del self._waiting[:CHUNK]
        return b"".join(ready)

    def finish(self) -> bytes:
        """The rest of the result."""
        rest = self._stream.compress(bytes(self._waiting)) if self._waiting else b""
        return rest + self._stream.flush()


def known_input() -> bytes:
    """3 MiB and a bit that need literals, near and far matches and several blocks; the same for ever."""
    noise = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(4096))
    words = b" ".join(
        hashlib.sha256(noise[i : i + 2]).hexdigest()[: 2 + i % 9].encode() for i in range(0, 65536, 2)
    )
    runs = b"".join(bytes([number % 251]) * (number % 300) for number in range(4000))
    return (noise + words + runs + words[::-1]) * 3 + noise[:777]


def compress(content: bytes, codec: Codec) -> bytes:
    """Compress at once."""
    compressor = Compressor(codec)
    return compressor.write(content) + compressor.finish()


@cache
def codec_of(compression: Compression) -> Codec:
    """The compressor that a spec names, after it has shown that it makes the known bytes.

    Raises:
        BuildError: it is not installed, or makes other bytes on this machine.
    """
    codec = _CODECS[compression]
    if codec.answer:
        check_answer(codec)
    return codec


def check_answer(codec: Codec) -> None:
    """Compress the known input.

    Raises:
        BuildError: what comes out is not what came out where mlimage was made.
    """
    answer = hashlib.sha256(compress(known_input(), codec)).hexdigest()
    if answer != codec.answer:
        raise BuildError(
            f"compressor `{codec.id}` makes other bytes here than everywhere else: its known answer is "
            f"{codec.answer[:12]}…, and it gave {answer[:12]}…",
            hint="install the versions of `isal` and `zstandard` that mlimage was tested with, "
            "or write `compression: none` in the spec",
        )
