"""Progress for logs and pipes: plain lines, few of them.

A task is mentioned once it has lasted a second, then every few seconds, and when it ends.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from mlimage.cli.style import clean, painted, seconds_text, size_text
from mlimage.progress import NOTHING, Task, Unit

_FIRST: Final = 1.0
_AGAIN: Final = 5.0
_AT_REST: Final = 25.0
"""So much later a line is repeated that says nothing new, to show that mlimage lives."""


@dataclass(slots=True, kw_only=True)
class _Line:
    description: str
    total: int | None
    unit: Unit
    begun: float
    due: float
    done: int = 0
    shown: str = ""

    def advance(self, amount: int) -> None:
        self.done += amount  # a lost update of a figure for people costs nothing

    def text(self) -> str:
        if not self.done:
            return f"{self.description} …"
        amount = size_text(self.done) if self.unit == "bytes" else str(self.done)
        if self.total:
            total = size_text(self.total) if self.unit == "bytes" else str(self.total)
            return f"{self.description}: {min(100, 100 * self.done // self.total)} % ({amount} of {total})"
        return f"{self.description}: {amount}"


class Lines:
    """`mlimage.progress.Progress` as plain lines on standard error.

    Args:
        verbose: whether `detail` is shown.
        lock: held while a line is written.
        clock: seconds that only grow; a parameter for tests.
    """

    def __init__(
        self, *, verbose: bool, lock: threading.RLock, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._verbose = verbose
        self._lock = lock
        self._clock = clock
        self._tasks: list[_Line] = []
        self._wake = threading.Condition(lock)
        self._ticker: threading.Thread | None = None

    @contextmanager
    def task(self, description: str, *, total: int | None = None, unit: Unit = "items") -> Iterator[Task]:
        """A task that is mentioned while the block runs, if that takes a while."""
        now = self._clock()
        line = _Line(description=description, total=total, unit=unit, begun=now, due=now + _FIRST)
        with self._lock:
            self._tasks.append(line)
            if self._ticker is None:
                self._ticker = threading.Thread(target=self._tick, name="progress", daemon=True)
                self._ticker.start()
        try:
            yield line
        except BaseException:
            self._end(line)
            raise
        self._end(line)
        if line.shown:
            self.note(f"{description}: done in {seconds_text(self._clock() - line.begun)}")

    def note(self, message: str) -> None:
        """One line that stays."""
        self._print(message)

    def detail(self, message: str) -> None:
        """One line that only `--verbose` shows."""
        if self._verbose:
            self.note(message)

    def warn(self, message: str) -> None:
        """One line that stays, marked."""
        self._print(f"{painted('warning:', 'yellow', sys.stderr)} {message}")

    def show_due(self) -> None:
        """Mention the tasks whose time has come."""
        with self._lock:
            now = self._clock()
            for line in self._tasks:
                if now < line.due:
                    continue
                text = line.text()
                moves = text != line.shown
                if moves or now >= line.due + _AT_REST:
                    line.shown, line.due = text, now + _AGAIN
                    self.note(text)

    def _print(self, message: str) -> None:
        with self._lock, suppress(BrokenPipeError):
            print(clean(message), file=sys.stderr, flush=True)  # noqa: T201 - what this class is for

    def _end(self, line: _Line) -> None:
        with self._lock:
            self._tasks.remove(line)
            self._wake.notify()

    def _tick(self) -> None:
        with self._lock:
            while self._tasks:
                self._wake.wait(timeout=0.5)
                self.show_due()
            self._ticker = None


class Quiet(Lines):
    """The same for `--quiet`: warnings alone."""

    @contextmanager
    def task(self, description: str, *, total: int | None = None, unit: Unit = "items") -> Iterator[Task]:
        """Nothing that is shown."""
        del description, total, unit
        yield NOTHING

    def note(self, message: str) -> None:
        """Nothing."""
