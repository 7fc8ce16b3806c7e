"""The unpacked base of a lock, whose interpreter resolves and compiles for the image."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from mlimage import process
from mlimage.atomic import atomic_folder, scratch_folder
from mlimage.cache import Cache
from mlimage.content.entry import Entry
from mlimage.content.interpreter import Interpreter
from mlimage.content.unpack import write_entries
from mlimage.digest import Digest, canonical_json
from mlimage.inventory import change_at_a_look, take_inventory, write_inventory
from mlimage.lock.images import Images
from mlimage.lock.model import BaseLock, ImageBase, ImageLayer
from mlimage.process import Runner

_FORMAT: Final = 1
"""Counts up when the same debs unpack to something else."""


def root_folder(cache: Cache, base: BaseLock) -> Path:
    """Where the base is unpacked, or will be."""
    if isinstance(base, ImageBase):
        return image_root_folder(cache, base.layers)
    key = {"format": _FORMAT, "suite": base.suite, "debs": [deb.sha256 for deb in base.debs]}
    return cache.roots / Digest.of(canonical_json(key)).hex


def image_root_folder(cache: Cache, layers: Sequence[ImageLayer]) -> Path:
    """Where an image that is a base is unpacked, or will be."""
    key = {"format": _FORMAT, "layers": [layer.diff_id for layer in layers]}
    return cache.roots / Digest.of(canonical_json(key)).hex


def has_root(cache: Cache, base: BaseLock, *, run: Runner = process.run) -> bool:
    """Whether the base is unpacked and its python starts; a root that was damaged is removed.

    Raises:
        BuildError: this machine cannot run programs of the platform.
    """
    interpreter = interpreter_of(cache, base)
    if not interpreter.root.is_dir():
        return False
    noted = cache.inventory(interpreter.root)
    if noted.exists() and change_at_a_look(interpreter.root, noted):
        discard_root(cache, interpreter.root)
        return False
    if interpreter.loader.exists() and interpreter.program.exists():
        started = run(interpreter.command("-c", "import importlib.util, json, struct"))
        if started.status == 0:
            return True
    discard_root(cache, interpreter.root)
    return False


def discard_root(cache: Cache, folder: Path) -> None:
    """Delete an unpacked base; half of it is never found under its name."""
    with scratch_folder(cache.roots) as trash, suppress(FileNotFoundError):
        folder.rename(trash / "root")


def write_root(cache: Cache, base: BaseLock, entries: Sequence[Entry]) -> None:
    """Unpack the assembled base; whole, or not at all."""
    with _written(cache, root_folder(cache, base)) as folder:
        write_entries(entries, folder)


def write_image_root(cache: Cache, layers: Sequence[ImageLayer], images: Images) -> None:
    """Unpack the fetched layers of an image that is a base; whole, or not at all.

    Raises:
        BuildError: they cannot be unpacked.
    """
    with _written(cache, image_root_folder(cache, layers)) as folder:
        images.unpack(layers, folder)


@contextmanager
def _written(cache: Cache, root: Path) -> Iterator[Path]:
    with atomic_folder(root) as folder:
        yield folder
        write_inventory(cache.inventory(root), take_inventory(folder))


def interpreter_of(cache: Cache, base: BaseLock) -> Interpreter:
    """The python of the unpacked base."""
    return Interpreter(
        root=root_folder(cache, base),
        python=base.python,
        platform=base.platform,
        installed=base.installation.program if isinstance(base, ImageBase) else None,
    )


def resolving_interpreter(cache: Cache, base: BaseLock) -> Interpreter:
    """The python of the unpacked base, as a resolver runs it: what it imports is kept compiled.

    A resolver then starts in a third of the time. The bytecode of images never comes from this one, since
    CPython writes other bytes where it has read some.
    """
    return replace(interpreter_of(cache, base), bytecode=cache.bytecode / root_folder(cache, base).name)
