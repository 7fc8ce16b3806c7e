"""Progress for terminals: rich's bars, which vanish when their task is done."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlimage.cli.style import clean, has_colour, painted, size_text
from mlimage.progress import Task, Unit

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID


@dataclass(frozen=True, slots=True)
class _Bar:
    bars: "RichProgress"
    identity: "TaskID"

    def advance(self, amount: int) -> None:
        self.bars.advance(self.identity, amount)


class Bars:
    """`mlimage.progress.Progress` as bars on standard error. Rich is imported with the first task.

    Args:
        verbose: whether `detail` is shown.
        lock: held while lines are written and bars come and go.
    """

    def __init__(self, *, verbose: bool, lock: threading.RLock) -> None:
        self._verbose = verbose
        self._lock = lock
        self._bars: RichProgress | None = None
        self._running = 0

    @contextmanager
    def task(self, description: str, *, total: int | None = None, unit: Unit = "items") -> Iterator[Task]:
        """A bar that is shown while the block runs."""
        with self._lock:
            if self._bars is None:
                self._bars = _new_bars()
            bars = self._bars
            identity = bars.add_task(clean(description), total=total, unit=unit)
            if not self._running:
                bars.start()
            self._running += 1
        try:
            yield _Bar(bars, identity)
        finally:
            with self._lock:
                self._running -= 1
                bars.remove_task(identity)
                if not self._running:
                    bars.stop()

    def note(self, message: str) -> None:
        """One line that stays, above the bars."""
        self._print(clean(message) + "\n", sys.stderr)

    def detail(self, message: str) -> None:
        """One line that only `--verbose` shows."""
        if self._verbose:
            self.note(message)

    def warn(self, message: str) -> None:
        """One line that stays, marked."""
        self.note(f"{painted('warning:', 'yellow', sys.stderr)} {message}")

    def print_aside(self, text: str) -> None:
        """Write to standard output, which may be the same terminal, without disturbing the bars."""
        self._print(text, sys.stdout)

    def _print(self, text: str, stream: Any) -> None:
        with self._lock:
            live = self._bars is not None and self._running > 0 and stream.isatty()
            if live and self._bars is not None:
                self._bars.stop()
            stream.write(text)
            stream.flush()
            if live and self._bars is not None:
                self._bars.start()


def _new_bars() -> "RichProgress":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Task as RichTask
    from rich.table import Column
    from rich.text import Text

    class Amount(ProgressColumn):
        def render(self, task: RichTask) -> Text:
            show = size_text if task.fields.get("unit") == "bytes" else str
            done = show(int(task.completed)) if task.completed or task.total else ""
            return Text(done if task.total is None else f"{done} / {show(int(task.total))}", justify="right")

    return Progress(
        # One line each, however narrow the terminal: lines that wrap leave their upper half behind.
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
        BarColumn(),
        Amount(table_column=Column(no_wrap=True)),
        TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),
        console=Console(stderr=True, no_color=not has_colour(sys.stderr)),
        transient=True,
        # Rich would send what is printed on standard output to standard error.
        redirect_stdout=False,
        redirect_stderr=False,
    )
