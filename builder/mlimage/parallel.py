"""Several things at once, on threads for which nobody waits: a silent server holds up no Ctrl-C."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import TypeVar

from mlimage.progress import Guarded, Task

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def at_once(
    work: Callable[[_Item], _Result], items: Iterable[_Item], *, threads: int = 8, joined: bool = False
) -> Iterator[_Result]:
    """The results in the order of the items; raises what the work raised.

    A `ThreadPoolExecutor` would do all the work before it lets an error or a signal pass, and wait at the end
    of the program too. Here nothing further is begun when the caller stops, and what is under way ends with
    the program at the latest.

    Args:
        work: is given an item.
        items: in the order in which they are begun.
        threads: how many at once.
        joined: whether to wait for what is under way, as for work that writes where the caller cleans up.
    """
    waiting: SimpleQueue[tuple[_Item, Future[_Result]]] = SimpleQueue()
    results = []
    for item in items:
        results.append(Future[_Result]())
        waiting.put((item, results[-1]))
    stopped = Event()

    def loop() -> None:
        while not stopped.is_set():
            try:
                item, result = waiting.get_nowait()
            except Empty:
                return
            try:
                result.set_result(work(item))
            except BaseException as error:  # noqa: BLE001 - it goes to whoever wants the result
                result.set_exception(error)

    workers = [Thread(target=loop, daemon=True) for _ in range(min(threads, len(results)))]
    try:
        for worker in workers:
            worker.start()
        for result in results:
            yield result.result()
    finally:
        stopped.set()
        for worker in workers if joined else ():
            if worker.ident is not None:
                worker.join()


def transfer(
    work: Callable[[_Item, Task], None], items: Iterable[_Item], *, threads: int, task: Task
) -> None:
    """Move each item, several at once, and raise the first error; those under way end with their next bytes.

    Args:
        work: is given an item and what to count with.
        items: in the order in which they are begun.
        threads: how many at once.
        task: counts for all.
    """
    stop = Event()
    guarded = Guarded(task, stop)
    try:
        for _ in at_once(lambda item: work(item, guarded), items, threads=threads):
            pass
    finally:
        stop.set()
