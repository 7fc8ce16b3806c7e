"""What a request sends: a stream of known size, opened anew for each attempt."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What is sent: `size` bytes of a stream that is opened anew for each attempt."""

    open: Callable[[], BinaryIO]
    size: int


@contextmanager
def opened(body: Body | None) -> "Iterator[Sized | None]":
    """What requests is given for a body; closed when the block ends."""
    if body is None:
        yield None
    else:
        with body.open() as stream:
            yield Sized(stream, body.size)


class Sized:
    """A stream whose size is known, as requests reads it."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._size = size

    def __len__(self) -> int:
        return self._size

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        return self._stream.read(size)
