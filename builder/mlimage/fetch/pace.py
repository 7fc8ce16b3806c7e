"""Whether a download gets on, however slowly its server is."""

import time
from typing import Final

from mlimage.fetch.failures import BrokenError, Failure

_WINDOW: Final = 60.0
_LEAST: Final = 1 << 16
"""A download that brings fewer bytes in so many seconds is broken off."""


class Pace:
    """Whether bytes come at all; a server that sends one every now and then is never silent long enough."""

    def __init__(self, position: int) -> None:
        self._position = position
        self._until = time.monotonic() + _WINDOW

    def check(self, position: int) -> None:
        """Raise `BrokenError` when too few came since the last look."""
        if time.monotonic() < self._until:
            return
        if position - self._position < _LEAST:
            raise BrokenError(
                Failure(reason=f"fewer than {_LEAST} bytes came in {_WINDOW:.0f} seconds", again=True)
            )
        self._position, self._until = position, time.monotonic() + _WINDOW
