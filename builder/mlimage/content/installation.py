"""Finds the python of an image that somebody else made, in its unpacked root file system."""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from mlimage.content.elf import MACHINES, Program, read_program
from mlimage.content.rootfs import inside
from mlimage.errors import ResolveError
from mlimage.platforms import Platform
from mlimage.regular import opened, read_file
from mlimage.spec.suites import suite_of

_PLACES: Final = ("/usr/local/bin", "/usr/bin", "/opt/python/bin", "/opt/conda/bin")
"""Where python is looked for behind the image's own PATH."""
_OURS: Final = ("opt/venv", "opt/mlimage")
"""What mlimage puts into every image; what a base has there would show through."""
_LARGEST: Final = 256 << 20
"""Bytes of a program or library; that of python has some 30 MB."""
_PYTHON: Final = re.compile(r"python3\.[0-9]+")
_GLIBC: Final = re.compile(rb"GNU C Library [^\n]*release version ([0-9]+\.[0-9]+)")
_MUSL_HINT: Final = (
    "take one of a distribution with glibc, as the tags `-slim` and `-bookworm` of `python` are"
)


def find_python(root: Path, python: str, *, path: str, platform: Platform) -> str:
    """The program `pythonX.Y` of an image, no link, relative to its root.

    Args:
        root: the unpacked image.
        python: `X.Y`, as the spec wants it.
        path: the image's PATH, whose folders come first.
        platform: of the image.

    Raises:
        ResolveError: it has no such python, or one for another C library than glibc, or holds what mlimage
            puts into images itself.
    """
    taken = next((place for place in _OURS if _has_something(inside(root, place))), None)
    if taken:
        raise ResolveError(
            f"the base image has `/{taken}` already, where mlimage puts its own files",
            hint="take the image that this one was made from",
        )
    found = _pythons(root, (*path.split(":"), *_PLACES))
    program = found.get(f"python{python}")
    if program is None:
        raise _none(root, python, found)
    place = inside(root, program)
    binary = _program(place) if place else None
    if place is None or binary is None or not binary.loader:
        raise ResolveError(
            f"`/{program}` of the base image is no program that loads shared libraries",
            hint="take an image with a python of its distribution, or an official one of python's",
        )
    if "musl" in binary.loader:
        raise _musl(binary.loader)
    if binary.machine != MACHINES[platform.architecture]:
        raise ResolveError(f"`/{program}` of the base image is not for {platform}")
    if inside(root, binary.loader) is None:
        raise ResolveError(f"the base image has no `{binary.loader}`, which `/{program}` starts with")
    relative = place.relative_to(root).as_posix()
    if not re.fullmatch(r"(?:[^/]+/)+bin/[^/]+", relative):
        raise ResolveError(
            f"`/{program}` of the base image is `/{relative}`, which is in no folder `bin` of an installation"
        )
    return relative


def find_library(root: Path, program: str, python: str) -> tuple[str, bool]:
    """The standard library of a program that was found, relative to the root, and whether it has bytecode.

    Raises:
        ResolveError: there is none.
    """
    prefix = program.rpartition("/bin/")[0]
    for folder in ("lib", "lib64"):  # `sys.platlibdir`
        place = inside(root, f"{prefix}/{folder}/python{python}")
        if place is not None and (place / "os.py").is_file():
            bytecode = place / "__pycache__" / f"os.cpython-{python.replace('.', '')}.pyc"
            return place.relative_to(root).as_posix(), bytecode.is_file()
    raise ResolveError(
        f"the base image has `/{program}`, and no standard library in `/{prefix}/lib/python{python}`"
    )


def read_versions(root: Path, program: str, python: str, platform: Platform) -> tuple[str, str]:
    """The full version of a program that was found, and that of its glibc, read from their files.

    CPython has its version as a string of C in the program or in `libpythonX.Y.so.1.0`
    (`Python/getversion.c`), glibc has its banner (`csu/version.c`). For platforms whose programs this machine
    cannot run; where it can, asking the python is better.

    Raises:
        ResolveError: they do not tell.
    """
    folders = [
        folder.relative_to(root).as_posix() for folder in library_folders(root, root / program, platform)
    ]
    form = re.compile(rb"(?<![0-9.])(%s\.[0-9]+(?:(?:a|b|rc)[0-9]+)?\+?)\0" % re.escape(python.encode()))
    shared = [f"{folder}/libpython{python}.so.1.0" for folder in folders]
    version = _said(form, root, [program, *shared])
    glibc = _said(_GLIBC, root, [f"{folder}/libc.so.6" for folder in folders])
    if version is None or glibc is None:
        what = f"which python `/{program}` is" if version is None else "which glibc it has"
        raise ResolveError(
            f"the base image does not tell {what}, and this machine cannot run it",
            hint=f"lock it on a {platform.machine} machine",
        )
    return version, glibc


def _bytes(place: Path) -> bytes:
    try:
        return read_file(place, _LARGEST)
    except OSError:  # a folder, or nothing that a program of the base reads, either
        return b""


def _said(form: re.Pattern[bytes], root: Path, files: Iterable[str]) -> str | None:
    """What the form finds in the first of the files that has it once."""
    for file in files:
        place = inside(root, file)
        found: set[bytes] = set(form.findall(_bytes(place))) if place else set()
        if len(found) == 1:
            return found.pop().decode()
    return None


def loader_of(root: Path, program: Path) -> Path | None:
    """The dynamic loader that a program of the image names, in the unpacked image."""
    binary = _program(program)
    return inside(root, binary.loader) if binary and binary.loader else None


def library_folders(root: Path, program: Path, platform: Platform) -> tuple[Path, ...]:
    """Where the loader finds libraries: what Debian's and Red Hat's ld.so.conf name, if it is there."""
    prefix = program.parent.parent.relative_to(root).as_posix()
    places = (
        f"{prefix}/lib",
        "usr/local/lib",
        f"usr/local/lib/{platform.multiarch}",
        f"lib/{platform.multiarch}",
        f"usr/lib/{platform.multiarch}",
        "lib64",
        "usr/lib64",
        "lib",
        "usr/lib",
    )
    folders = (inside(root, place) for place in places)
    return tuple(dict.fromkeys(folder for folder in folders if folder is not None and folder.is_dir()))


def _program(path: Path) -> Program | None:
    try:
        with opened(path) as stream:
            return read_program(stream)
    except OSError:
        return None


def _pythons(root: Path, folders: tuple[str, ...]) -> Mapping[str, str]:
    """Programs `python3.N` by name, each where it is first found."""
    found: dict[str, str] = {}
    for folder in folders:
        place = inside(root, folder) if folder.startswith("/") else None
        if place is None or not place.is_dir():
            continue
        for name in sorted(os.listdir(place)):  # noqa: PTH208 - names are all that is needed
            path = f"{folder.strip('/')}/{name}"
            if _PYTHON.fullmatch(name) and (file := inside(root, path)) is not None and file.is_file():
                found.setdefault(name, path)
    return found


def _none(root: Path, python: str, found: Mapping[str, str]) -> ResolveError:
    if found:
        names = sorted(found, key=lambda name: int(name.partition(".")[2]))
        versions = " and ".join(f"{name.removeprefix('python')} (`/{found[name]}`)" for name in names)
        newest = names[-1].removeprefix("python")
        return ResolveError(
            f'the base image has python {versions}, the spec says "{python}"',
            hint=f'write `python: "{newest}"`, or take an image with python {python}',
        )
    for folder in ("lib", "usr/lib"):
        place = inside(root, folder)
        loader = next(iter(sorted(place.glob("ld-musl-*.so.1"))), None) if place else None
        if loader is not None:
            return _musl(f"/{folder}/{loader.name}")
    suite = suite_of(python)
    return ResolveError(
        "the base image has no python",
        hint=f"take one that has, as `python:{python}-slim`"
        + (f", or let mlimage put a base together: `base: {{debian: {suite}}}`" if suite else ""),
    )


def _musl(loader: str) -> ResolveError:
    return ResolveError(
        f"the base image has the C library musl (`{loader}`), and wheels are made for glibc", hint=_MUSL_HINT
    )


def _has_something(folder: Path | None) -> bool:
    return folder is not None and (not folder.is_dir() or next(folder.iterdir(), None) is not None)
