"""Whether a body gets on, whichever way it goes and however slow the other side is."""

import math
import time
from typing import Final

from mlimage.fetch.failures import Failure, slow
from mlimage.fetch.limit import Limit

WINDOW: Final = 60.0
LEAST: Final = 1 << 16
"""A body of which fewer bytes move in so many seconds is broken off, unless it ends."""


class Pace:
    """Allows an exchange more time whenever enough bytes moved: the larger its body, the longer it may take.

    Args:
        limit: of the exchange.
        window: seconds in which `LEAST` bytes must move, unless the body ends.
        verb: what they do, in the past tense.
        total: most seconds for all of the body.
    """

    def __init__(self, limit: Limit, *, window: float, verb: str = "came", total: float = math.inf) -> None:
        self._limit = limit
        self._window = window
        self._until = time.monotonic() + total
        self._slow = slow(f"fewer than {LEAST} bytes {verb} in {window:g} seconds")
        self._never = Failure(reason=f"it is not there after {total:.0f} seconds", again=False)
        self._moved = 0
        self._allow()

    def moved(self, size: int) -> None:
        """So many more bytes did."""
        self._moved += size
        if self._moved >= LEAST:
            self._moved = 0
            self._allow()

    def _allow(self) -> None:
        left = self._until - time.monotonic()
        if left < self._window:
            self._limit.allow(left, self._never)
        else:
            self._limit.allow(self._window, self._slow)
