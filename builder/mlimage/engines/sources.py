"""The files of the layers that come from a lock, listed from its inputs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlimage.content.bytecode import bytecode_entries
from mlimage.content.entry import Entry, arrange, file_of_path
from mlimage.content.interpreter import Interpreter
from mlimage.content.wheel import wheel_entries
from mlimage.lock.model import LockedPackage
from mlimage.process import Runner

TESTS: Final = frozenset({"test", "tests"})
"""Folders whose modules get no bytecode. Nothing imports them when a model trains or serves, and they work
without; they are 28 % of the sources of a torch and scikit-learn image, and so of the time to compile it."""


_INSTALLED: Final = frozenset({"site-packages", "dist-packages"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Compilation:
    """How bytecode is made: by the image's interpreter, by so many processes at a time, started by `run`."""

    interpreter: Interpreter
    jobs: int
    run: Runner

    def of(self, entries: Sequence[Entry], scratch: Path) -> tuple[Entry, ...]:
        """The bytecode of one input; its spooled bytes live in `scratch`."""
        sources = [entry for entry in entries if TESTS.isdisjoint(entry.path.split("/"))]
        return bytecode_entries(
            sources, interpreter=self.interpreter, scratch=scratch, jobs=self.jobs, run=self.run
        )


def base_files(entries: Sequence[Entry], compilation: Compilation | None, scratch: Path) -> tuple[Entry, ...]:
    """The assembled base, with bytecode of its standard library as its maintainer script would make it."""
    if compilation is None:
        return arrange(entries)
    library = [entry for entry in entries if entry.path.startswith("usr/lib/python3")]
    return arrange([*entries, *compilation.of(library, scratch)])


def library_files(
    root: Path, library: str, compilation: Compilation | None, scratch: Path
) -> tuple[Entry, ...]:
    """Bytecode of the standard library of an unpacked base that has none.

    Args:
        root: the base.
        library: path of the library, relative to the root; packages that are installed in it do not count.
        compilation: how it is made; nothing is where it is None.
        scratch: where its bytes lie.
    """
    if compilation is None:
        return ()
    sources = []
    for path in sorted((root / library).rglob("*.py")):
        parts = path.relative_to(root / library).parts
        if parts[0] not in _INSTALLED and path.is_file() and not path.is_symlink():
            place = path.relative_to(root).as_posix()
            sources.append(file_of_path(place, path, origin="python of the base"))
    return arrange(compilation.of(sources, scratch))


def wheel_files(wheels: Sequence[tuple[LockedPackage, Path]], python: str) -> tuple[Sequence[Entry], ...]:
    """The installed files of each wheel, without bytecode."""
    return tuple(
        wheel_entries(path, python=python, origin=f"{package.name} {package.version}", filename=package.file)
        for package, path in wheels
    )


def package_files(
    packages: Sequence[Sequence[Entry]], compilation: Compilation | None, scratch: Path
) -> tuple[Entry, ...]:
    """The files of some packages; bytecode is compiled package by package, so it depends on no other."""
    files: list[Entry] = []
    for number, entries in enumerate(packages):
        files += entries
        if compilation is not None:
            folder = scratch / str(number)
            folder.mkdir()
            files += compilation.of(entries, folder)
    return arrange(files)
