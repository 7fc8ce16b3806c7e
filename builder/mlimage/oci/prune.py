"""What of the cache is not needed any more, and how it goes."""

import fcntl
import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlimage.atomic import ASIDE, PARTIAL, discard, scratch_folder
from mlimage.cache import Cache
from mlimage.digest import Digest
from mlimage.errors import BuildError, MlimageWarning, reason_of
from mlimage.oci.blobs import sweep
from mlimage.oci.builds import Build, own_builds
from mlimage.oci.model import SealedImage
from mlimage.oci.records import parse_record
from mlimage.oci.store import Store
from mlimage.oci.survey import size_of, things_in

DAY: Final = 86_400
"""Seconds after which an unfinished file is taken for one that a killed process left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """One thing to delete: what it is for people, where, and how many bytes that frees."""

    kind: str
    path: Path
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunePlan:
    """What would be deleted, and the images that the store would list no more."""

    removals: tuple[Removal, ...]
    builds: tuple[Build, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Those that would mean nothing afterwards."""
        return tuple(build.name for build in self.builds if build.named)


def plan_prune(cache: Cache, store: Store, *, everything: bool, before: float, now: float) -> PrunePlan:
    """What to delete.

    Without `everything`: blobs that no image needs which has a name or is a project's own, records and scans
    of layers that are gone, unpacked images that are not in the store, compiled modules for bases that are
    gone, and what killed processes left. With it also images, fetched files, metadata and bases: all of it
    can be had again.

    Args:
        cache: the cache.
        store: its store.
        everything: whether what may be needed again goes too.
        before: only what was last written before this time (seconds since the epoch).
        now: the time.

    Raises:
        BuildError: the index of the store is damaged.
    """
    kept, builds = _images(store, everything=everything, before=before)
    reachable = {blob.hex for image in kept for blob in _digests(image)}
    found = list(_files("blob", _old(store.blobs, before), spare=reachable))
    gone = {removal.path.name for removal in found}
    found += _files(
        "scan of a layer", _old(cache.scans, before), spare={f"{name}.json" for name in reachable}
    )
    found += _records(cache, store, gone, everything=everything, before=before)
    wanted = {image.image_id.hex for image in kept}
    found += [
        Removal(kind="unpacked image", path=path, size=size_of(path))
        for path in _old(cache.unpacked, before)
        if path.name not in wanted
    ]
    if everything:
        found += _files(
            "fetched file", (path for folder in things_in(cache.inputs) for path in _old(folder, before))
        )
        found += _files("digest of an application", _old(cache.apps, before))
        found += _files("advisories", _old(cache.advisories, before))
        found += _files("metadata", _old(cache.metadata, before))
        found += _files("base", _old(cache.roots, before))
    going = {removal.path for removal in found}
    bases = {path.name for path in things_in(cache.roots) if path not in going}
    found += _files("compiled modules", _old(cache.bytecode, before), spare=bases)
    trees = {path.name for path in things_in(cache.unpacked) if path not in going} | bases
    found += _files("inventory", _old(cache.inventories, before), spare=trees)
    for folder in (
        cache.root,
        cache.inputs,
        *things_in(cache.inputs),
        cache.metadata,
        cache.roots,
        cache.unpacked,
        cache.inventories,
        cache.layers,
        cache.scans,
        cache.apps,
        cache.advisories,
        store.folder,
    ):
        found += [
            Removal(kind="unfinished", path=path, size=size_of(path))
            for path in sorted(folder.glob(f"{PARTIAL}*"))
            if path.lstat().st_mtime < now - DAY
        ]
        found += [
            Removal(kind="set aside", path=path, size=size_of(path))
            for path in sorted(folder.glob(f"{ASIDE}*"))
        ]
    return PrunePlan(removals=tuple(found), builds=builds)


def prune(plan: PrunePlan, store: Store, *, now: float) -> tuple[Removal, ...]:
    """Delete it; returns what went. Unpacked images that run, and files that are being written, stay.

    What cannot be deleted stays as well; a warning names it. The caller is in a block of `Cache.alone`.
    """
    if plan.builds:
        store.forget(*plan.builds)
    removed = []
    for removal in plan.removals:
        if removal.path.is_dir() and not removal.path.is_symlink():
            gone = _remove_folder(removal.path)
        else:
            gone = _remove_file(removal.path)
        if gone:
            removed.append(removal)
    removed += [
        Removal(kind="unfinished", path=path, size=size)
        for path, size in sweep(store.blobs, before=now - DAY)
    ]
    return tuple(removed)


def _images(
    store: Store, *, everything: bool, before: float
) -> tuple[tuple[SealedImage, ...], tuple[Build, ...]]:
    """(images that stay, what goes from the list). What cannot be read means nothing already."""
    stay = []
    go = []
    builds = store.builds()
    own = own_builds(builds)
    for build in builds:
        try:
            image = store.load(build.manifest, name=build.name)
        except BuildError:
            go.append(build)
            continue
        unneeded = everything or not (build.named or build in own)
        if unneeded and store.blob(build.manifest.digest).stat().st_mtime < before:
            go.append(build)
        else:
            stay.append(image)
    return tuple(stay), tuple(go)


def _digests(image: SealedImage) -> Iterator[Digest]:
    yield image.manifest.digest
    yield image.config.digest
    for layer in image.layers:
        yield layer.blob.digest


def _records(
    cache: Cache, store: Store, gone: set[str], *, everything: bool, before: float
) -> Iterator[Removal]:
    for path in things_in(cache.layers):
        if path.suffix != ".json":  # what the direct engine notes beside a record; it goes with the record
            if not path.with_suffix(".json").exists() and path.stat().st_mtime < before:
                yield Removal(kind="note on layers", path=path, size=size_of(path))
            continue
        try:
            layer = parse_record(path.read_bytes())
        except (OSError, ValueError):
            useless = True
        else:
            useless = layer.blob.digest.hex in gone or not store.holds(layer.blob)
        if useless or (everything and path.stat().st_mtime < before):
            yield Removal(kind="record of a layer", path=path, size=size_of(path))


def _old(folder: Path, before: float) -> Iterator[Path]:
    for path in things_in(folder):
        with suppress(FileNotFoundError):
            if path.lstat().st_mtime < before:
                yield path


def _files(kind: str, paths: Iterable[Path], *, spare: Iterable[str] = ()) -> Iterator[Removal]:
    spared = frozenset(spare)
    for path in paths:
        if path.name not in spared:
            yield Removal(kind=kind, path=path, size=size_of(path))


def _remove_file(path: Path) -> bool:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        return _kept(path, error)
    return True


def _kept(path: Path, error: OSError) -> bool:
    warnings.warn(MlimageWarning(f"`{path}` cannot be deleted: {reason_of(error)}"), stacklevel=2)
    return False


def _remove_folder(path: Path) -> bool:
    """Delete a folder that nobody has locked; first it loses its name, so that half of it is never found."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        return _kept(path, error)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        if path.name.startswith((PARTIAL, ASIDE)):
            return discard(path)
        with scratch_folder(path.parent) as trash:
            path.rename(trash / path.name)
    finally:
        os.close(descriptor)
    return True


def seconds_of(text: str) -> float:
    """A span of time as people type it: `90m`, `12h`, `30d`, `2w`; raises `ValueError` for anything else."""
    units = {"m": 60, "h": 3600, "d": DAY, "w": 7 * DAY}
    number, unit = text[:-1], text[-1:]
    if not number.isascii() or not number.isdigit() or unit not in units:
        raise ValueError(f"no span of time: {text!r}")
    return int(number) * units[unit]
