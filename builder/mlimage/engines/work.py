"""Makes the layers that a build lacks: fetches, assembles, compiles and packs, several at once."""

import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import BoundedSemaphore, Event, Thread

from mlimage.atomic import scratch_folder
from mlimage.cache import Cache
from mlimage.content.base import assemble
from mlimage.content.entry import Entry
from mlimage.digest import Digest
from mlimage.engines.collisions import Listings
from mlimage.engines.sources import Compilation, base_files, package_files
from mlimage.lock.inputs import Inputs, Item
from mlimage.lock.model import ImageBase, ImageLayer, LockedPackage
from mlimage.lock.root import has_root, interpreter_of, write_image_root, write_root
from mlimage.oci.images import measured
from mlimage.oci.layer import pack
from mlimage.oci.model import LayerBlob
from mlimage.oci.records import LayerRecords
from mlimage.oci.store import Store
from mlimage.plan.model import (
    AppLayer,
    AptLayer,
    BaseLayer,
    BuildPlan,
    Layer,
    PackageLayer,
    PulledLayer,
    RuntimeLayer,
)
from mlimage.process import Command, Completed, run
from mlimage.progress import Progress, Task

FETCHES = 8
"""Files that are fetched at once: the network waits, the processor does not."""

_LOOK = 0.2
"""Seconds after which who waits for a file looks whether the build was stopped."""


class _StoppedError(Exception):
    """Another job failed or the user interrupted: the way out of a thread, never seen by users."""


class _Guarded:
    """Counts for a task, and ends the thread that counts when the build is stopped."""

    def __init__(self, task: Task, stop: Event) -> None:
        self._task = task
        self._stop = stop

    def advance(self, amount: int) -> None:
        if self._stop.is_set():
            raise _StoppedError
        self._task.advance(amount)


class Work:
    """The layers that one build has to make."""

    def __init__(
        self,
        plan: BuildPlan,
        *,
        own: Mapping[str, Sequence[Entry]],
        inputs: Inputs,
        listings: Listings,
        cache: Cache,
        store: Store,
        progress: Progress,
        jobs: int | None,
    ) -> None:
        self._plan = plan
        self._own = own
        self._inputs = inputs
        self._listings = listings
        self._cache = cache
        self._store = store
        self._progress = progress
        self._jobs = jobs or len(os.sched_getaffinity(0))
        self._turns = BoundedSemaphore(self._jobs)
        self._stop = Event()
        self._fetched: dict[Digest, Future[Path]] = {}

    def make(self, missing: Sequence[Layer]) -> Iterator[tuple[str, LayerBlob]]:
        """Each missing layer's name and blob, as they get done."""
        below = [layer for layer in self._plan.layers if isinstance(layer, BaseLayer | PulledLayer)]
        compiles = self._plan.bytecode and any(
            isinstance(layer, BaseLayer | PackageLayer) for layer in missing
        )
        needs_root = compiles and not has_root(self._cache, self._plan.base)
        assembles = [
            layer for layer in below if isinstance(layer, BaseLayer) and (layer in missing or needs_root)
        ]
        items = _inputs_of(missing, below if needs_root else assembles)
        with ExitStack() as stack:
            scratch = stack.enter_context(scratch_folder(self._cache.root))
            makers = stack.enter_context(ThreadPoolExecutor(self._jobs, "layer"))
            stack.callback(makers.shutdown, wait=False, cancel_futures=True)
            stack.callback(self._stop.set)
            self._fetch(items, stack.enter_context(ExitStack()))
            task = stack.enter_context(
                self._progress.task(f"layers of {self._plan.image}:{self._plan.variant}", total=len(missing))
            )
            base_entries = self._assemble(assembles[0], scratch) if assembles else ()
            if needs_root:
                self._write_root(base_entries)
            waiting = [
                makers.submit(self._make, layer, scratch, base_entries)
                for layer in sorted(missing, key=_weight, reverse=True)
            ]
            # A file that cannot be had ends the build at once, not only when a layer asks for it.
            awaited: list[Future[Path] | Future[LayerBlob]] = [*waiting, *self._fetched.values()]
            for done in as_completed(awaited):
                blob = done.result()
                if isinstance(blob, LayerBlob):
                    task.advance(1)
                    yield blob.name, blob

    def _fetch(self, items: Sequence[Item], shown: ExitStack) -> None:
        """Begin to fetch; `shown` holds the bar until all is there.

        The threads are daemons, for which nobody waits: a server that says nothing holds up no Ctrl-C.
        """
        absent = sum(item.size for item in items if not self._is_here(item))
        task = self._progress.task("fetching", total=absent, unit="bytes") if absent else None
        guarded = _Guarded(shown.enter_context(task) if task else _NOTHING, self._stop)
        fetched = count(1)

        def close(_done: Future[Path]) -> None:
            if next(fetched) == len(items):
                shown.close()

        waiting: SimpleQueue[tuple[Item, Future[Path]]] = SimpleQueue()
        for item in items:
            future = self._fetched[_digest(item)] = Future[Path]()
            future.add_done_callback(close)
            waiting.put((item, future))
        for number in range(min(FETCHES, len(items))):
            Thread(target=self._get_all, args=(waiting, guarded), name=f"fetch-{number}", daemon=True).start()

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

    def _path(self, item: Item) -> Path:
        future = self._fetched[_digest(item)]
        while not wait([future], timeout=_LOOK).done:
            if self._stop.is_set():
                raise _StoppedError
        return future.result()

    def _assemble(self, base: BaseLayer, scratch: Path) -> Sequence[Entry]:
        started = time.monotonic()
        debs = [self._path(deb) for deb in base.base.debs]
        folder = scratch / "debs"
        folder.mkdir()
        entries = assemble(debs, scratch=folder, platform=base.base.platform)
        self._progress.detail(f"unpacked {len(debs)} debs in {time.monotonic() - started:.1f} s")
        return entries

    def _write_root(self, base_entries: Sequence[Entry]) -> None:
        base = self._plan.base
        if isinstance(base, ImageBase):
            for layer in base.layers:
                self._path(layer)
            with self._progress.task(f"unpacking {base.repository}"):
                write_image_root(self._cache, base.layers, self._inputs.images)
        else:
            write_root(self._cache, base, base_entries)

    def _make(self, layer: Layer, scratch: Path, base_entries: Sequence[Entry]) -> LayerBlob:
        if self._stop.is_set():
            raise _StoppedError
        if isinstance(layer, PulledLayer):
            self._path(layer.layer)
            records = LayerRecords(self._cache.layers, self._store)
            return measured(layer.layer, name=layer.name, store=self._store, records=records)
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=f"{layer.name}-", dir=scratch) as folder:
            blob = pack(
                self._files(layer, Path(folder), base_entries),
                name=layer.name,
                compression=self._plan.compression,
                store=self._store,
                advance=_Guarded(_NOTHING, self._stop).advance,
            )
        self._progress.detail(
            f"made {layer.name}: {blob.uncompressed_size / 1e6:.1f} MB, {blob.blob.size / 1e6:.1f} MB "
            f"packed, {time.monotonic() - started:.1f} s"
        )
        return blob

    def _files(self, layer: Layer, scratch: Path, base_entries: Sequence[Entry]) -> Sequence[Entry]:
        match layer:
            case BaseLayer():
                return base_files(base_entries, self._compilation(), scratch)
            case PackageLayer():
                wheels = [(package, self._path(package)) for package in layer.packages]
                files = package_files(wheels, self._plan.python, self._compilation(), scratch)
                self._listings.put(layer.key, files)
                return files
            case RuntimeLayer() | AppLayer():
                return self._own[layer.name]
            case PulledLayer() | AptLayer():
                raise ValueError(f"the direct engine writes no files of {layer.name}")

    def _compilation(self) -> Compilation | None:
        if not self._plan.bytecode:
            return None
        return Compilation(
            interpreter=interpreter_of(self._cache, self._plan.base), jobs=self._jobs, run=self._run_in_turn
        )

    def _run_in_turn(self, command: Command) -> Completed:
        """Run, as one of at most so many processes as there are jobs, whichever layer asks."""
        with self._turns:
            if self._stop.is_set():
                raise _StoppedError
            return run(command)


class _Nothing:
    def advance(self, amount: int) -> None:
        pass


_NOTHING: Task = _Nothing()


def _digest(item: Item) -> Digest:
    return item.digest if isinstance(item, ImageLayer) else item.sha256


def _weight(layer: Layer) -> int:
    match layer:
        case BaseLayer():
            return sum(deb.size for deb in layer.base.debs)
        case PackageLayer():
            return sum(package.size for package in layer.packages)
        case PulledLayer():
            return layer.layer.size
        case RuntimeLayer() | AppLayer() | AptLayer():
            return 0


def _inputs_of(*groups: Sequence[Layer]) -> list[Item]:
    """What the layers are made of: first those of the base, since the interpreter is in it, then by size."""
    below: dict[Digest, Item] = {}
    wheels: dict[Digest, LockedPackage] = {}
    for layer in (layer for group in groups for layer in group):
        match layer:
            case BaseLayer():
                below.update({deb.sha256: deb for deb in layer.base.debs})
            case PulledLayer():
                below[layer.layer.digest] = layer.layer
            case PackageLayer():
                wheels.update({package.sha256: package for package in layer.packages})
            case RuntimeLayer() | AppLayer() | AptLayer():
                pass
    return [*below.values(), *sorted(wheels.values(), key=lambda wheel: -wheel.size)]
