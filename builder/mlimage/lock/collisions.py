"""Packages that cannot be in one image: two write one path differently, or bring one library in two builds.

It is told from the lists in their wheels before anything is made of them. pip lets the last one that it
installs win, in silence; dpkg refuses, unless one says that it replaces the other. So does this: what no
program can tell apart passes, `allow_conflicts` in the spec says which one stays, and the rest is an error.
"""

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Final

from packaging.utils import canonicalize_name

from mlimage.content.ignore import Ignore, read_ignore
from mlimage.content.programs import same_program
from mlimage.lock.contents import AbsentError, Contents
from mlimage.lock.libraries import Files, Twice, rivals
from mlimage.lock.model import LockedPackage
from mlimage.spec.model import ImageSpec

RULES: Final = Path(__file__).with_suffix(".toml")
_SITE: Final = re.compile(r"opt/venv/lib/python[^/]+/site-packages/")
_VENV: Final = "opt/venv/"
_IMPORTED: Final = re.compile(r"\.(?:py|pyc|pth|so)\Z")
_Pair = tuple[LockedPackage, LockedPackage]
_TYPES: Final = re.compile(r"\.pyi\Z|(?:^|/)py\.typed\Z")
"""What only type checkers read (PEP 561)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """Packages whose conflicts the spec settles.

    Attributes:
        packages: normalized names.
        keep: the one whose files stay; None where nothing has to go.
        paths: patterns of the paths that it is about, as in a `.dockerignore`, from the image's root; all
            where there are none.
    """

    packages: tuple[str, ...]
    keep: str | None = None
    paths: tuple[str, ...] = ()

    def covers(self, first: str, second: str) -> bool:
        """Whether it is about these two packages."""
        return {first, second} <= set(self.packages)

    def matches(self, path: str) -> bool:
        """Whether it is about this path, without a leading `/`."""
        return _match(self.paths, path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Two packages that cannot be in one image as they are.

    Attributes:
        first: one.
        second: the other.
        what: what both have, for people.
        kept: whether `keep` has to say whose file stays.
        settled: whether `allow_conflicts` can settle it.
    """

    first: LockedPackage
    second: LockedPackage
    what: str
    kept: bool
    settled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found.

    Attributes:
        conflicts: what stops an image.
        passed: paths that several packages write differently and that stop nothing, each with the packages.
        unused: entries of `allow_conflicts` that settle nothing.
        complete: whether all could be looked at.
    """

    conflicts: tuple[Conflict, ...]
    passed: Mapping[str, tuple[str, ...]]
    unused: tuple[Allowed, ...]
    complete: bool


def allowed_by(spec: ImageSpec) -> tuple[Allowed, ...]:
    """What the spec settles."""
    return tuple(
        Allowed(
            packages=tuple(map(canonicalize_name, each.packages)),
            keep=canonicalize_name(each.keep) if each.keep else None,
            paths=each.paths,
        )
        for each in spec.allow_conflicts
    )


def judge(packages: Sequence[LockedPackage], contents: Contents, allowed: Sequence[Allowed] = ()) -> Verdict:
    """Hold the packages of an image against each other, as far as their contents are known.

    Raises:
        BuildError: a wheel is none, or an image cannot have it.
    """
    files: dict[LockedPackage, Mapping[str, str]] = {}
    for package in packages:
        with suppress(AbsentError):
            files[package] = contents.files(package)
    kept = {package: _without(package, files, allowed) for package in files}
    found, passed, used, all_seen = _paths(files, kept, contents, allowed)
    twice, all_read = rivals(kept, contents)
    libraries: defaultdict[_Pair, list[Twice]] = defaultdict(list)
    for each in twice:
        settling = [one for path in each.paths for one in _settling(allowed, each.first, each.second, path)]
        used |= set(settling)
        if not settling:
            libraries[each.first, each.second].append(each)
    found += [
        Conflict(first=first, second=second, what=_libraries(several), kept=False)
        for (first, second), several in libraries.items()
    ]
    return Verdict(
        conflicts=(*_folders(files), *found),
        passed=passed,
        unused=tuple(each for each in allowed if each not in used),
        complete=len(files) == len(packages) and all_seen and all_read,
    )


def _paths(
    files: Files, kept: Files, contents: Contents, allowed: Sequence[Allowed]
) -> tuple[list[Conflict], dict[str, tuple[str, ...]], set[Allowed], bool]:
    """Conflicts of paths, what passes, what of `allowed` counts, and whether all could be looked at."""
    shared: defaultdict[_Pair, list[str]] = defaultdict(list)
    passed: dict[str, tuple[str, ...]] = {}
    used: set[Allowed] = set()
    complete = True
    for path, owners in sorted(_differing(files).items()):
        for pair in combinations(owners, 2):
            if files[pair[0]][path] == files[pair[1]][path]:
                continue
            settling = [each for each in _settling(allowed, *pair, path) if each.keep]
            used |= set(settling)
            if settling or any(path not in kept[package] for package in pair):
                continue
            try:
                if _differ(path, *pair, contents):
                    shared[pair].append(path)
                else:
                    passed[path] = tuple(owner.name for owner in owners)
            except AbsentError:
                complete = False
    conflicts = [
        Conflict(first=first, second=second, what=_what(paths), kept=True)
        for (first, second), paths in shared.items()
    ]
    return conflicts, passed, used, complete


def _without(package: LockedPackage, files: Files, allowed: Sequence[Allowed]) -> Mapping[str, str]:
    """What of a package stays in the image."""
    gone: set[str] = set()
    for other in files:
        for each in allowed:
            if each.keep == other.name != package.name and each.covers(package.name, other.name):
                gone |= shadowed(files[package], files[other], each.paths)
    return (
        {path: digest for path, digest in files[package].items() if path not in gone}
        if gone
        else files[package]
    )


def shadowed(files: Iterable[str], by: Iterable[str], paths: tuple[str, ...]) -> frozenset[str]:
    """Which files of a package give way to those of the one that is kept.

    Args:
        files: of the package.
        by: of the other.
        paths: patterns; see `Allowed`.
    """
    return frozenset(path for path in set(files) & set(by) if _match(paths, path))


def _match(patterns: tuple[str, ...], path: str) -> bool:
    return not patterns or _rules_of(patterns).ignores(path)


def _settling(
    allowed: Sequence[Allowed], first: LockedPackage, second: LockedPackage, path: str
) -> list[Allowed]:
    about = (each for each in allowed if each.covers(first.name, second.name) and each.matches(path))
    return [each for each in about if each.keep in {None, first.name, second.name}]


def _differing(files: Files) -> dict[str, list[LockedPackage]]:
    """Paths with several hashes, each with all packages that write it."""
    owners: defaultdict[str, list[LockedPackage]] = defaultdict(list)
    for package, listed in files.items():
        for path in listed:
            owners[path].append(package)
    return {
        path: packages
        for path, packages in owners.items()
        if len(packages) > 1 and len({files[package][path] for package in packages}) > 1
    }


def _differ(path: str, first: LockedPackage, second: LockedPackage, contents: Contents) -> bool:
    """Whether a program can tell which of two packages a path is of, whose bytes differ."""
    if not is_used(path):
        return False
    return not (
        path.endswith(".py") and same_program(contents.content(first, path), contents.content(second, path))
    )


def is_used(path: str) -> bool:
    """Whether a program may load a file of a package: what people read, types and tests are for none."""
    file = path.rpartition("/")[2]
    rules = _rules()
    if _TYPES.search(path) or (
        not _IMPORTED.search(file) and any(fnmatchcase(file, each) for each in rules["documents"])
    ):
        return False
    site = _SITE.match(path)
    inside = path[site.end() :] if site else path.removeprefix(_VENV)
    if "/" not in inside:
        return site is not None and _IMPORTED.search(file) is not None
    if site:
        return inside.partition("/")[0] not in rules["beside"]
    return not any(inside.startswith(f"{folder}/") for folder in rules["below"])


def _folders(files: Files) -> Iterator[Conflict]:
    """Files of one package that are folders of another, which no order of installation can mend."""
    owner = {path: package for package, listed in files.items() for path in listed}
    said: set[frozenset[LockedPackage]] = set()
    above = {path.rpartition("/")[0]: path for path in owner}
    for folder, path in sorted(above.items()):
        while folder:
            if folder in owner and frozenset({owner[folder], owner[path]}) not in said:
                said.add(frozenset({owner[folder], owner[path]}))
                yield Conflict(
                    first=owner[folder],
                    second=owner[path],
                    what=f"the first writes the file `/{folder}`, the second `/{path}` below it",
                    kept=False,
                    settled=False,
                )
            folder = folder.rpartition("/")[0]  # noqa: PLW2901 - up to the root


def _what(paths: Sequence[str]) -> str:
    """Python's sources first: they say most."""
    first, *more = sorted(paths, key=lambda path: (not path.endswith(".py"), path))
    count = f" and {len(more)} more file{'s' if len(more) > 1 else ''}" if more else ""
    return f"both write `/{first}`{count}, with different content"


def _libraries(several: Sequence[Twice]) -> str:
    first, *more = several
    count = f" and {len(more)} more" if more else ""
    return (
        f"both have the shared library `{first.name}`{count}, with different content: `/{first.paths[0]}` "
        f"and `/{first.paths[1]}`; what needs it, as `/{first.needed_by}`, gets the one that is loaded first"
    )


@cache
def _rules() -> Mapping[str, list[str]]:
    return tomllib.loads(RULES.read_text("utf-8"))


@cache
def _rules_of(patterns: tuple[str, ...]) -> Ignore:
    return read_ignore(patterns)
