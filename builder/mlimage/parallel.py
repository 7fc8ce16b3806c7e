"""Several things at once on threads, which all end when one of them fails or the user interrupts."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Final, TypeVar

from mlimage.progress import Task

_T = TypeVar("_T")


class StoppedError(Exception):
    """Something else failed, or the user interrupted: the way out of a thread, never seen by users."""


class Guarded:
    """Counts for a task, and ends the thread that counts once all are to stop."""

    def __init__(self, task: Task, stop: Event) -> None:
        self._task = task
        self._stop = stop

    def advance(self, amount: int) -> None:
        """Count; raises `StoppedError` when all are to stop."""
        if self._stop.is_set():
            raise StoppedError
        self._task.advance(amount)


class _Nothing:
    def advance(self, amount: int) -> None:
        pass


NOTHING: Final[Task] = _Nothing()
"""A task that nobody sees."""


def at_once(work: Callable[[_T, Task], None], items: Iterable[_T], *, jobs: int, task: Task) -> None:
    """Do some work for each item, several at once, and raise the first error.

    Args:
        work: is given an item and what to count with, which ends it when another item failed.
        items: in the order in which they are begun.
        jobs: how many at once.
        task: counts for all.
    """
    stop = Event()
    guarded = Guarded(task, stop)

    def do(item: _T) -> None:
        guarded.advance(0)
        work(item, guarded)

    with ThreadPoolExecutor(jobs) as pool:
        try:
            for _ in pool.map(do, items):
                pass
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
