"""One request and its answer over HTTP, all of which is held to a time: what is sent, headers and body."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlimage.fetch.failures import BrokenError, Failure, slow
from mlimage.fetch.limit import Limit
from mlimage.fetch.pace import Pace
from mlimage.fetch.partial import CHUNK

if TYPE_CHECKING:
    import requests


class Exchange:
    """What is on its way to and from a server.

    Args:
        host: the server, for messages.
        answer: seconds for an answer to begin and all of its headers to be there, without what a body that is
            sent takes.
        window: seconds in which 64 KiB of a body must move, as of `Pace`.

    Attributes:
        limit: the connection of the request is made in its `with` block.
    """

    def __init__(self, host: str, *, answer: float, window: float) -> None:
        self._answer = answer
        self._window = window
        self._late = slow(f"`{host}` has not answered after {answer:g} seconds")
        self.limit = Limit(answer, self._late)

    @property
    def failure(self) -> Failure | None:
        """Why it took too long; None where it did not."""
        return self.limit.why if self.limit.late else None

    def sending(self) -> Pace:
        """The pace at which the server must take a body."""
        return Pace(self.limit, window=self._window, verb="were taken")

    def sent(self) -> None:
        """All of the body is on its way: the answer is waited for."""
        self.limit.allow(self._answer, self._late)

    def answered(self) -> None:
        """All headers are there; raises `BrokenError` where they were too slow, and may be cut short."""
        self.limit.rest()
        self._check()

    def pieces(
        self, response: "requests.Response", *, decode: bool, total: float = math.inf
    ) -> Iterator[bytes]:
        """The body as it comes.

        Args:
            response: whose.
            decode: whether to undo what packs it on its way.
            total: most seconds for all of it.

        Raises:
            BrokenError: it is too slow.
        """
        pace = Pace(self.limit, window=self._window, total=total)
        while piece := response.raw.read1(CHUNK, decode_content=decode):
            pace.moved(len(piece))
            yield piece
        self._check()  # one that was shut may look as if it had ended

    def _check(self) -> None:
        if self.failure is not None:
            raise BrokenError(self.failure)
