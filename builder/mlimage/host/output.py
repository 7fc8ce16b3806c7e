"""Standard output of a container, kept to a limit: a file of it could fill the disk of this machine."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO, Final, Protocol

_PIECE: Final = 1 << 16
_PATIENCE: Final = 10.0
"""Seconds for the last bytes; the container has ended, and with it who could write more."""


class Keeper(Protocol):
    """What becomes of the output."""

    def take(self, piece: bytes) -> bool:
        """Take what came next; False where no more is wanted, and who writes on is told so by the pipe."""


class Head:
    """All of an output of at most `limit` bytes; `full` once there were more, of which nothing is kept."""

    def __init__(self, limit: int) -> None:
        self.content = bytearray()
        self.full = False
        self._limit = limit

    def take(self, piece: bytes) -> bool:
        """Keep it."""
        self.content += piece
        if len(self.content) > self._limit:
            self.content.clear()
            self.full = True
        return not self.full


class Tail:
    """The last bytes of an output, however long it is."""

    def __init__(self, limit: int) -> None:
        self.content = bytearray()
        self._limit = limit

    def take(self, piece: bytes) -> bool:
        """Keep the end of it."""
        self.content += piece
        del self.content[: -self._limit]
        return True


@contextmanager
def kept_by(keeper: Keeper) -> Iterator[BinaryIO]:
    """A stream, with a descriptor, whose bytes go to `keeper`, which has all of them when the block ends."""
    reading, writing = os.pipe()
    thread = threading.Thread(target=_drain, args=(reading, keeper), name="output", daemon=True)
    thread.start()
    stream = os.fdopen(writing, "wb")
    try:
        yield stream
    finally:
        with suppress(BrokenPipeError):
            stream.close()
        thread.join(_PATIENCE)


def _drain(reading: int, keeper: Keeper) -> None:
    with os.fdopen(reading, "rb", buffering=0) as stream:
        while piece := stream.read(_PIECE):
            if not keeper.take(piece):
                return
