"""How long work tells what it does, without knowing who shows it."""

from contextlib import AbstractContextManager, nullcontext
from typing import Literal, Protocol

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


SILENT: Progress = _Silent()
"""Shows nothing."""
