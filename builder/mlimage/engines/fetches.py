"""Fetches what layers are made of, several files at once, while others wait for the ones that they need."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Final

from mlimage.cache import Cache
from mlimage.digest import Digest
from mlimage.lock.inputs import Inputs, Item
from mlimage.lock.model import ImageLayer
from mlimage.oci.store import Store
from mlimage.progress import NOTHING, Guarded, Progress, StoppedError, Task

FETCHES: Final = 8
"""Files that are fetched at once: the network waits, the processor does not."""

_LOOK: Final = 0.2
"""Seconds after which who waits for a file looks whether the build was stopped."""


class Fetches:
    """Files on their way into the cache.

    Args:
        inputs: gives them.
        cache: where they go, to know how much is to be fetched.
        store: where layers of the base go.
        progress: where it is shown.
        stop: set when the build ends before all are there.
    """

    def __init__(
        self, inputs: Inputs, *, cache: Cache, store: Store, progress: Progress, stop: Event
    ) -> None:
        self._inputs = inputs
        self._cache = cache
        self._store = store
        self._progress = progress
        self._stop = stop
        self._fetched: dict[Digest, Future[Path]] = {}

    @property
    def futures(self) -> Iterable[Future[Path]]:
        """What was begun; a file that cannot be had is known here at once, whoever waits for it."""
        return self._fetched.values()

    @contextmanager
    def begun(self, items: Sequence[Item]) -> Iterator[None]:
        """Begin to fetch; the bar stays until all is there, or the block ends.

        The threads are daemons, for which nobody waits: a server that says nothing holds up no Ctrl-C.
        """
        with ExitStack() as shown:
            absent = sum(item.size for item in items if not self._is_here(item))
            task = self._progress.task("fetching", total=absent, unit="bytes") if absent else None
            guarded = Guarded(shown.enter_context(task) if task else NOTHING, self._stop)
            fetched = count(1)

            def close(_done: Future[Path]) -> None:
                if next(fetched) == len(items):
                    shown.close()

            waiting: SimpleQueue[tuple[Item, Future[Path]]] = SimpleQueue()
            for item in items:
                future = self._fetched[digest_of(item)] = Future[Path]()
                future.add_done_callback(close)
                waiting.put((item, future))
            for number in range(min(FETCHES, len(items))):
                name = f"fetch-{number}"
                Thread(target=self._get_all, args=(waiting, guarded), name=name, daemon=True).start()
            yield

    def path(self, item: Item) -> Path:
        """The verified file, once it is there; raises what fetching raised, or `StoppedError`."""
        future = self._fetched[digest_of(item)]
        while not wait([future], timeout=_LOOK).done:
            if self._stop.is_set():
                raise StoppedError
        return future.result()

    def _is_here(self, item: Item) -> bool:
        if isinstance(item, ImageLayer):
            return self._store.has(item.digest)
        return self._cache.input(item.sha256).exists()

    def _get_all(self, waiting: "SimpleQueue[tuple[Item, Future[Path]]]", guarded: Task) -> None:
        while not self._stop.is_set():
            try:
                item, future = waiting.get_nowait()
            except Empty:
                return
            try:
                path = self._inputs.get(item, guarded)
            except BaseException as error:  # noqa: BLE001 - it goes to whoever asks for the file
                future.set_exception(error)
            else:
                future.set_result(path)


def digest_of(item: Item) -> Digest:
    """By which a file is fetched and kept."""
    return item.digest if isinstance(item, ImageLayer) else item.sha256
