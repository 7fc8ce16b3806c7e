"""Makes the layers that a build lacks: fetches, assembles, compiles and packs, several at once."""

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from pathlib import Path
from threading import BoundedSemaphore, Event, Thread
from typing import Protocol

from mlimage.atomic import scratch_folder, temporary_folder
from mlimage.content.base import assemble
from mlimage.content.entry import Entry
from mlimage.digest import Digest
from mlimage.engines.fetches import Fetches, digest_of
from mlimage.engines.layers import Job
from mlimage.engines.sources import Compilation, base_files, library_files, package_files, wheel_files
from mlimage.lock.inputs import Item
from mlimage.lock.model import ImageBase, LockedPackage
from mlimage.lock.root import has_root, interpreter_of, root_folder, write_image_root, write_root
from mlimage.oci.images import measured
from mlimage.oci.layer import pack
from mlimage.oci.model import LayerBlob
from mlimage.oci.records import LayerRecords
from mlimage.plan.model import (
    AppLayer,
    AptLayer,
    BaseLayer,
    GoldenLayer,
    Layer,
    LibraryLayer,
    PackageLayer,
    PulledLayer,
    RecipeLayer,
    RuntimeLayer,
    StepsLayer,
)
from mlimage.process import Command, Completed, Processes
from mlimage.progress import NOTHING, Guarded, StoppedError


class Made(Protocol):
    """Files that somebody else has made of the locked inputs, in place of this module."""

    def packages(self, layer: PackageLayer) -> Sequence[Sequence[Entry]]:
        """The installed files of each package of a layer, without bytecode."""

    def own(self, layer: RuntimeLayer | AppLayer | StepsLayer | AptLayer) -> Sequence[Entry]:
        """The files of a layer that no lock names."""


class Work:
    """The layers that one build has to make; for one call of `make`.

    Args:
        job: the build.
        made: files that are there already; else they come from the wheels and from this machine.
    """

    def __init__(self, job: Job, *, made: Made | None = None) -> None:
        self._plan = job.plan
        self._own = job.own
        self._made = made
        self._compiles = job.plan.bytecode and any(
            isinstance(layer, BaseLayer | LibraryLayer | PackageLayer) for layer in job.missing
        )
        self._together = job.together
        self._checked: Future[None] = Future()
        self._cache = job.cache
        self._store = job.store
        self._progress = job.progress
        self._jobs = job.jobs or len(os.sched_getaffinity(0))
        self._turns = BoundedSemaphore(self._jobs)
        self._stop = Event()
        self._processes = Processes()
        self._inputs = job.inputs()
        self._fetches = Fetches(
            self._inputs, cache=job.cache, store=job.store, progress=job.progress, stop=self._stop
        )

    def make(self, missing: Sequence[Layer]) -> Iterator[tuple[str, LayerBlob]]:
        """Each of these layers' name and blob, as they get done; the interpreter is there before."""
        below = [layer for layer in self._plan.layers if isinstance(layer, BaseLayer | PulledLayer)]
        needs_root = self._compiles and not has_root(self._cache, self._plan.base)
        assembles = [
            layer for layer in below if isinstance(layer, BaseLayer) and (layer in missing or needs_root)
        ]
        items = _inputs_of([] if self._made else missing, below if needs_root else assembles)
        with ExitStack() as stack:
            scratch = stack.enter_context(scratch_folder(self._cache.root))
            makers = stack.enter_context(ThreadPoolExecutor(self._jobs, "layer"))
            stack.callback(makers.shutdown, wait=False, cancel_futures=True)
            stack.callback(self._processes.end)
            stack.callback(self._stop.set)
            stack.enter_context(self._fetches.begun(items))
            task = stack.enter_context(
                self._progress.task(f"layers of {self._plan.name}", total=len(missing))
            )
            packages = [
                package for layer in missing if isinstance(layer, PackageLayer) for package in layer.packages
            ]
            if packages and not self._made:
                Thread(target=self._check, args=(packages,), name="check", daemon=True).start()
            else:
                self._checked.set_result(None)
            base_entries = self._assemble(assembles[0], scratch) if assembles else ()
            if needs_root:
                self._write_root(base_entries)
            waiting = [
                makers.submit(self._make, layer, scratch, base_entries)
                for layer in sorted(missing, key=_weight, reverse=True)
            ]
            # A file that cannot be had ends the build at once, not only when a layer asks for it, and so do
            # packages that cannot be together.
            awaited: list[Future[Path] | Future[LayerBlob] | Future[None]] = [
                *waiting,
                *self._fetches.futures,
                self._checked,
            ]
            for done in as_completed(awaited):
                blob = done.result()
                if isinstance(blob, LayerBlob):
                    task.advance(1)
                    yield blob.name, blob

    def _check(self, packages: Sequence[LockedPackage]) -> None:
        """Hold all packages against each other when their wheels are here; layers need not wait for it."""
        try:
            for package in packages:
                self._fetches.path(package)
            fetched = frozenset(packages)
            self._together.check(lambda package: self._fetches.path(package) if package in fetched else None)
        except BaseException as error:  # noqa: BLE001 - it goes to whoever makes the layers
            self._checked.set_exception(error)
        else:
            self._checked.set_result(None)

    def _wheel(self, package: LockedPackage) -> Path:
        return self._inputs.get(package, NOTHING)

    def _assemble(self, base: BaseLayer, scratch: Path) -> Sequence[Entry]:
        started = time.monotonic()
        debs = [self._fetches.path(deb) for deb in base.base.debs]
        folder = scratch / "debs"
        folder.mkdir()
        entries = assemble(debs, scratch=folder, platform=base.base.platform)
        self._progress.detail(f"unpacked {len(debs)} debs in {time.monotonic() - started:.1f} s")
        return entries

    def _write_root(self, base_entries: Sequence[Entry]) -> None:
        base = self._plan.base
        if isinstance(base, ImageBase):
            for layer in base.layers:
                self._fetches.path(layer)
            with self._progress.task(f"unpacking {base.repository}"):
                write_image_root(self._cache, base.layers, self._inputs.images)
        else:
            write_root(self._cache, base, base_entries)

    def _make(self, layer: Layer, scratch: Path, base_entries: Sequence[Entry]) -> LayerBlob:
        if self._stop.is_set():
            raise StoppedError
        if isinstance(layer, PulledLayer):
            self._fetches.path(layer.layer)
            records = LayerRecords(self._cache.layers, self._store)
            return measured(layer.layer, name=layer.name, store=self._store, records=records)
        started = time.monotonic()
        with temporary_folder(layer.name, scratch) as folder:
            blob = pack(
                self._files(layer, folder, base_entries),
                name=layer.name,
                compression=self._plan.compression,
                store=self._store,
                advance=Guarded(NOTHING, self._stop).advance,
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
            case LibraryLayer():
                root = root_folder(self._cache, layer.base)
                return library_files(root, layer.base.installation.library, self._compilation(), scratch)
            case PackageLayer():
                return package_files(self._packages(layer), self._compilation(), scratch)
            case RecipeLayer() | GoldenLayer():
                return self._own[layer.name]
            case RuntimeLayer() | AppLayer() | StepsLayer() | AptLayer():
                return self._made.own(layer) if self._made else self._own[layer.name]
            case PulledLayer():
                raise ValueError(f"nobody writes the files of {layer.name}")

    def _packages(self, layer: PackageLayer) -> Sequence[Sequence[Entry]]:
        if self._made:
            packages = self._made.packages(layer)
        else:
            wheels = [(package, self._fetches.path(package)) for package in layer.packages]
            packages = wheel_files(wheels, self._plan.python)
        if layer.yields or len(packages) > 1:
            self._checked.result()
            return self._together.files_of(layer, packages, self._wheel)
        return packages

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
                raise StoppedError
            return self._processes.run(command)


def _weight(layer: Layer) -> int:
    return sum(item.size for item in _items(layer))


def _inputs_of(*groups: Sequence[Layer]) -> list[Item]:
    """What the layers are made of: first those of the base, since the interpreter is in it, then by size."""
    below: dict[Digest, Item] = {}
    wheels: dict[Digest, Item] = {}
    for layer in (layer for group in groups for layer in group):
        (wheels if isinstance(layer, PackageLayer) else below).update(
            {digest_of(item): item for item in _items(layer)}
        )
    return [*below.values(), *sorted(wheels.values(), key=lambda wheel: -wheel.size)]


def _items(layer: Layer) -> Sequence[Item]:
    """What is fetched to make the layer."""
    match layer:
        case BaseLayer():
            return layer.base.debs
        case PackageLayer():
            return layer.packages
        case PulledLayer():
            return (layer.layer,)
        case (
            RuntimeLayer()
            | RecipeLayer()
            | AppLayer()
            | GoldenLayer()
            | StepsLayer()
            | AptLayer()
            | LibraryLayer()
        ):
            return ()
