"""What a request sends: a stream of known size, opened anew for each attempt."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from mlimage.fetch.exchange import Exchange
from mlimage.fetch.pace import Pace


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What is sent: `size` bytes of a stream that is opened anew for each attempt."""

    open: Callable[[], BinaryIO]
    size: int


@contextmanager
def opened(body: Body | None, exchange: Exchange) -> "Iterator[Sized | None]":
    """What requests is given for a body of an exchange; closed when the block ends."""
    if body is None:
        yield None
    else:
        with body.open() as stream:
            yield Sized(stream, body.size, exchange)


class Sized:
    """A stream whose size is known, as requests reads it: the next piece when one was taken."""

    def __init__(self, stream: BinaryIO, size: int, exchange: Exchange) -> None:
        self._stream = stream
        self._size = size
        self._exchange = exchange
        self._pace: Pace | None = None
        self._taken = 0

    def __len__(self) -> int:
        return self._size

    def read(self, size: int = -1) -> bytes:
        """The next bytes; those before were taken by the system."""
        self._pace = self._pace or self._exchange.sending()
        self._pace.moved(self._taken)
        piece = self._stream.read(size)
        self._taken = len(piece)
        if not piece:
            self._exchange.sent()
        return piece
