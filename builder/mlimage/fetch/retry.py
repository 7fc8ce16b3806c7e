"""How often and how soon something is tried again."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Exponential backoff with jitter, so that many clients do not come back at one moment.

    Attributes:
        attempts: how often at most, the first time included; for a download, how often without new bytes.
        first: seconds before the second attempt, doubled each time.
        longest: most seconds between two attempts that we choose.
        patience: most seconds that a server may ask for with `Retry-After`.
        sleep: waits so many seconds.
        jitter: a number from 0 to 1.
    """

    attempts: int = 5
    first: float = 0.5
    longest: float = 8.0
    patience: float = 30.0
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random

    def wait(self, failed: int, asked: float | None) -> None:
        """Wait after so many failures in a row; `asked` is what the server asked for, in seconds."""
        backoff = min(self.longest, self.first * 2 ** (failed - 1)) * (0.5 + self.jitter() / 2)
        self.sleep(backoff if asked is None else max(backoff, min(asked, self.patience)))
