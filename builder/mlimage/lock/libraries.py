"""Shared libraries that cannot be in one image: a process gets the one of a name that is loaded first."""

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any, Final

from mlimage.content.libraries import is_shared, stem_of
from mlimage.errors import BuildError
from mlimage.lock.contents import AbsentError, Contents
from mlimage.lock.cuda import WAYS_OUT
from mlimage.lock.model import LockedPackage
from mlimage.spec.variants import CPU

RULES: Final = Path(__file__).with_suffix(".toml")
_SITE: Final = re.compile(r"opt/venv/lib/python[^/]+/site-packages/")
_VENDORED: Final = re.compile(r"[.-][0-9a-f]{8,}(?:\.\d+)*\.so(?:\.[^/]*)?\Z")
"""As auditwheel's `libgomp-a34b3233.so.1` and `libopenblasp-r0-59ffcd50.3.15.so`, torchvision's
`libjpeg.5980e1e3.so.8`: the name tells what it was built from, and nobody else asks for it."""
_RUNTIME: Final = re.compile(r"libcudart(?:[.-][0-9a-f]{8,})?\.so\.(\d+)")
_SHOWN: Final = 3

Files = Mapping[LockedPackage, Mapping[str, str]]
"""Hashes of the files of packages, by path."""
_Place = tuple[LockedPackage, str]
"""A package, and the path of a file of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Twice:
    """A library that two packages have, and that a file of some package asks for by its name.

    Attributes:
        first: one package.
        second: the other.
        name: by which it is asked for.
        paths: of both.
        needed_by: path of a file that asks for it.
    """

    first: LockedPackage
    second: LockedPackage
    name: str
    paths: tuple[str, str]
    needed_by: str


def rivals(files: Files, contents: Contents) -> tuple[tuple[Twice, ...], bool]:
    """Libraries of one name and different content, and whether all could be looked at.

    The dynamic loader gives whoever asks for a name (`DT_NEEDED`) the library that is there under it already,
    whatever its RUNPATH says (glibc, elf/dl-load.c, `_dl_map_object`). What nobody asks for by name is opened
    by its path, as modules of Python are, and no other comes in its place. Libraries are looked into only
    where those of several packages are called alike.
    """
    named: defaultdict[str, dict[LockedPackage, list[str]]] = defaultdict(dict)
    for package, listed in files.items():
        for path in listed:
            stem = stem_of(path)
            if stem and not _VENDORED.search(path) and not _stands_apart(path):
                named[stem].setdefault(package, []).append(path)
    complete = True
    candidates: defaultdict[LockedPackage, list[str]] = defaultdict(list)
    for owners in named.values():
        if len(owners) > 1 and len({files[p][path] for p, paths in owners.items() for path in paths}) > 1:
            for package, paths in owners.items():
                candidates[package] += paths
    known: defaultdict[str, list[_Place]] = defaultdict(list)
    for package, paths in candidates.items():
        try:
            for path, linked in contents.linked(package, paths).items():
                if linked.name:
                    known[linked.name].append((package, path))
        except AbsentError:
            complete = False
    pairs = {
        name: pair for name, places in sorted(known.items()) if (pair := _two(places, files)) is not None
    }
    if not pairs:
        return (), complete
    askers, read = _askers(frozenset(pairs), [*candidates, *files], files, contents)
    found = [
        Twice(
            first=first[0], second=second[0], name=name, paths=(first[1], second[1]), needed_by=askers[name]
        )
        for name, both in pairs.items()
        if name in askers
        for first, second in both
    ]
    return tuple(found), complete and read


def _two(places: Sequence[_Place], files: Files) -> list[tuple[_Place, _Place]] | None:
    """The pairs of packages that have other bytes at other paths, each once."""
    found: dict[tuple[LockedPackage, LockedPackage], tuple[_Place, _Place]] = {}
    for one, other in combinations(places, 2):
        if one[0] != other[0] and one[1] != other[1] and files[one[0]][one[1]] != files[other[0]][other[1]]:
            found.setdefault((one[0], other[0]), (one, other))
    return list(found.values()) or None


def _askers(
    names: frozenset[str], packages: Iterable[LockedPackage], files: Files, contents: Contents
) -> tuple[dict[str, str], bool]:
    """A file that asks for each of these names, where there is one; packages that have them come first."""
    askers: dict[str, str] = {}
    complete = True
    for package in dict.fromkeys(packages):
        if names <= askers.keys():
            break
        try:
            linked = contents.linked(package, filter(is_shared, files[package]))
        except AbsentError:
            complete = False
            continue
        for path, each in linked.items():
            for name in names.intersection(each.needed):
                askers.setdefault(name, path)
    return askers, complete or names <= askers.keys()


def refuse_cuda(packages: Iterable[LockedPackage], contents: Contents, *, accelerator: str) -> None:
    """Refuse libraries of CUDA in an image for the CPU, and those of two CUDAs.

    Raises:
        BuildError: names them, their packages and the way out.
    """
    found: dict[LockedPackage, list[str]] = {}
    for package in packages:
        try:
            named = [
                path
                for path in contents.files(package)
                if _is_cuda(path) and (accelerator == CPU or not _stands_apart(path))
            ]
            real = contents.linked(package, named) if named else {}
        except AbsentError:
            continue
        if real:
            found[package] = [path.rpartition("/")[2] for path in real]
    if accelerator == CPU and found:
        raise BuildError(
            f"an image for the CPU has no libraries of CUDA, and {_listed(found)}", hint=WAYS_OUT
        )
    majors: defaultdict[int, dict[LockedPackage, list[str]]] = defaultdict(dict)
    for package, files in found.items():
        for name in files:
            runtime = _RUNTIME.match(name)
            if runtime:
                majors[int(runtime[1])].setdefault(package, []).append(name)
    if len(majors) > 1:
        listed = ", and ".join(_listed(group) for _, group in sorted(majors.items()))
        raise BuildError(
            f"an image has one CUDA: {listed}",
            hint="lock builds of these packages for one CUDA, or give each an image of its own",
        )


def _is_cuda(path: str) -> bool:
    file = path.rpartition("/")[2]
    stem = re.split(r"[.-]", file, maxsplit=1)[0]
    return is_shared(file) and any(fnmatchcase(stem, pattern) for pattern in _rules()["cuda"])


def _stands_apart(path: str) -> bool:
    return any(fnmatchcase(_SITE.sub("", path), pattern) for pattern in _rules()["apart"])


def _listed(found: Mapping[LockedPackage, Sequence[str]]) -> str:
    """Which package has what: `a` has `libx.so.1` and 3 more, `b` has `liby.so.2`."""
    packages = sorted((package.name, names) for package, names in found.items())
    shown = [f"`{package}` has {_named(names)}" for package, names in packages]
    more = len(shown) - _SHOWN
    others = f", and {more} more package{'s' if more > 1 else ''}" if more > 0 else ""
    return ", ".join(shown[:_SHOWN]) + others


def _named(names: Sequence[str]) -> str:
    more = len(set(names)) - 1
    return f"`{names[0]}`" + (f" and {more} more" if more else "")


@cache
def _rules() -> Mapping[str, Any]:
    return tomllib.loads(RULES.read_text("utf-8"))
