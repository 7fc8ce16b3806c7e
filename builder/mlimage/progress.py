"""How long work tells what it does, without knowing who shows it."""

from contextlib import AbstractContextManager, nullcontext
from threading import Event
from typing import Final, Literal, Protocol

Unit = Literal["bytes", "items"]


class Task(Protocol):
    """One bar."""

    def advance(self, amount: int) -> None:
        """So many units more are done."""


class Progress(Protocol):
    """Where tasks are shown. Safe to use from several threads."""

    def task(
        self, description: str, *, total: int | None = None, unit: Unit = "items"
    ) -> AbstractContextManager[Task]:
        """A task that is shown while the block runs; `total` is None when it is not known."""

    def note(self, message: str) -> None:
        """One line that stays, for instance that a step is done."""

    def detail(self, message: str) -> None:
        """One line that only `--verbose` shows."""

    def warn(self, message: str) -> None:
        """What the user should know though the work goes on; `--quiet` shows it too."""


class _Silent:
    def advance(self, amount: int) -> None:
        pass

    def task(
        self, description: str, *, total: int | None = None, unit: Unit = "items"
    ) -> AbstractContextManager[Task]:
        del description, total, unit
        return nullcontext(self)

    def note(self, message: str) -> None:
        pass

    def detail(self, message: str) -> None:
        pass

    def warn(self, message: str) -> None:
        pass


_SILENT: Final = _Silent()
SILENT: Final[Progress] = _SILENT
"""Shows nothing."""
NOTHING: Final[Task] = _SILENT
"""A bar that nobody sees."""


class StoppedError(Exception):
    """Another job failed or the user interrupted: the way out of a thread, never seen by users."""


class Guarded:
    """Counts for a task, and ends the thread that counts when the work is stopped."""

    def __init__(self, task: Task, stop: Event) -> None:
        self._task = task
        self._stop = stop

    def advance(self, amount: int) -> None:
        """Count; raises `StoppedError` when the work is stopped."""
        if self._stop.is_set():
            raise StoppedError
        self._task.advance(amount)
