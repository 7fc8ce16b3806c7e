"""Why no file fulfils a requirement: what the index has of that package, held against the target."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches

from packaging.requirements import Requirement
from packaging.tags import compatible_tags, cpython_tags
from packaging.utils import (
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

from mlimage.content.interpreter import Target
from mlimage.errors import ResolveError
from mlimage.lock.files import IndexFile
from mlimage.lock.metadata import ELSEWHERE
from mlimage.lock.names import IMPORTED_AS, WELL_KNOWN
from mlimage.lock.wheels import accepts, candidates
from mlimage.mirrors import DEFAULT_INDEX
from mlimage.platforms import PLATFORMS, Platform
from mlimage.spec.requirements import SpecRequirement, exact_version
from mlimage.spec.suites import PYTHON_OF_SUITE


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What was to be resolved.

    Attributes:
        image: name of the image.
        requirements: as they stood in the resolver's input, line by line.
        target: the image's python.
        python: its version, `X.Y`.
        as_of: files known to be newer did not count.
        index_of: the index of a package.
        files: what the index has of a package.
        page_of: where a person finds that.
    """

    image: str
    requirements: Sequence[SpecRequirement]
    target: Target
    python: str
    as_of: datetime | None
    index_of: Callable[[str], str]
    files: Callable[[str], Sequence[IndexFile]]
    page_of: Callable[[str], str]

    @property
    def about(self) -> str:
        """The target in a few words."""
        machine = self.target.markers.get("platform_machine", "this machine")
        return f"python {self.python} on {machine} with glibc {self.target.glibc}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks for a package: the spec, or a package and the requirement of the spec that brought it."""

    requirement: SpecRequirement | None
    package: str | None = None

    @property
    def where(self) -> str | None:
        """Where the user wrote the requirement."""
        return self.requirement.where if self.requirement else None

    @property
    def clause(self) -> str:
        """What a sentence says about a package that another one asks for."""
        return f", which `{self.package}` asks for," if self.package else ""


def usable(requirement: Requirement, situation: Situation) -> set[Version]:
    """The versions for the target that fulfil a requirement; a withdrawn one must be named (PEP 592)."""
    named = exact_version(requirement) is not None
    found = candidates(
        situation.files(canonicalize_name(requirement.name)), situation.target, situation.as_of
    )
    return {
        each.version
        for each in found
        if requirement.specifier.contains(each.version, prereleases=True)
        and (named or each.file.yanked is None)
    }


def explain_missing(text: str, asker: Asker, situation: Situation) -> ResolveError:
    """The error for a requirement that no file fulfils.

    Args:
        text: the requirement that could not be fulfilled.
        asker: who asks for it.
        situation: what was to be resolved.
    """
    requirement = Requirement(text)
    name = canonicalize_name(requirement.name)
    index = situation.index_of(name)
    files = situation.files(name)
    fits = {found.version for found in candidates(files, situation.target, situation.as_of)}
    later = {found.version for found in candidates(files, situation.target, None)} - fits
    sdists = _of(files, requirement, wheels=False)
    hint: str | None
    if str(requirement.specifier) == ELSEWHERE:
        message = f"`{asker.package}` asks for `{name}` at an address of its own, which cannot be locked"
        hint = f"ask for another version of `{asker.package}`, whose packages all come from an index"
    elif not files:
        message = f"index `{index}` has no package `{name}`{asker.clause.rstrip(',')}"
        hint = _other_name(name, situation)
    elif requirement.specifier and any(requirement.specifier.contains(v, prereleases=True) for v in later):
        message = (
            f"`{text}`{asker.clause} needs a release that is newer than this lock, "
            f"which holds what there was at {situation.as_of:%Y-%m-%dT%H:%M:%SZ}"
        )
        hint = f"`mlimage lock {situation.image} --upgrade-package {name}` looks at newer ones"
    elif wheels := _of(files, requirement, wheels=True):
        message, hint = _no_fitting_wheel(text, asker, wheels, fits, situation)
    elif sdists:
        message = (
            f"`{text}`{asker.clause} has no wheels on index `{index}`, only sources to build: {_few(sdists)}"
        )
        hint = _instead(name) or (
            f"ask for a package that has wheels, or build it once (`pip wheel {name}`), put the wheel into "
            "a folder, and bind that under `indexes:`"
        )
    elif builds := _builds_of(requirement, fits):
        message, hint = _no_such_build(requirement, builds, asker, index)
    elif fits:
        message = (
            f"index `{index}` has no version of `{name}` that fits `{text}`{asker.clause.rstrip(',')}; "
            f"it has {_few(_sorted(fits))}"
        )
        hint = f"ask for one that there is, as `{name}=={max(fits)}`"
    else:
        message = f"index `{index}` has no version of `{name}`{asker.clause} for {situation.about}"
        hint = None
    return ResolveError(message, where=asker.where, hint=hint)


def _no_fitting_wheel(
    text: str, asker: Asker, wheels: Sequence[str], fits: set[Version], situation: Situation
) -> tuple[str, str]:
    """Message and hint for wheels of which none can be installed on the target."""
    requirement = Requirement(text)
    matching = [version for version in fits if requirement.specifier.contains(version, prereleases=True)]
    if matching and not usable(requirement, situation):
        message = f"`{text}`{asker.clause} fits withdrawn versions only: {_few(_sorted(matching))}"
        return message, f"name the one that you want: `{requirement.name}=={max(matching)}`"
    if matching:  # pip takes unfinished versions only when they are asked for
        message = f"`{text}`{asker.clause} fits unfinished versions only: {_few(_sorted(matching))}"
        return message, f"name the one that you want: `{requirement.name}=={max(matching)}`"
    named = {file.filename: file for file in situation.files(canonicalize_name(requirement.name))}
    tags = set(situation.target.tags)
    pythons = {
        requires
        for filename in wheels
        if (requires := named[filename].requires_python)
        and tags & {str(tag) for tag in parse_wheel_filename(filename)[3]}
    }
    if pythons:
        wanted = "` or `".join(sorted(pythons))
        message = (
            f"`{text}`{asker.clause} needs python `{wanted}`, and the image has python {situation.python}"
        )
    else:
        message = f"`{text}`{asker.clause} has no wheel for {situation.about}; there are {_few(wheels)}"
    finished = [version for version in fits if not version.is_prerelease]
    if finished:
        return message, f"versions for this target are {_few(_sorted(finished))}"
    others = [
        f'`python: "{python}"` (Debian {suite})'
        for suite, python in PYTHON_OF_SUITE.items()
        if any(_runs_on(named[filename], python, tags) for filename in wheels)
    ]
    if others:
        return message, f"it has one for {' and '.join(others)}; or ask for another package"
    there = _platform_with(wheels, situation.target)
    if there:
        machine = situation.target.markers["platform_machine"]
        here = next(each for each in PLATFORMS if each.machine == machine)
        asked = (
            f'ask for it there alone, `{text}; platform_machine == "{there.machine}"`, for another package, '
            if asker.package is None
            else f"ask for another version of `{asker.package}`, "
        )
        return message, f"there are wheels for `{there}`: {asked}or leave `{here}` out of `platforms:`"
    return message, "ask for another package, or change `python` and the suite of the base"


def _platform_with(wheels: Sequence[str], target: Target) -> Platform | None:
    """Another platform, of which one of the wheels is."""
    machine = target.markers.get("platform_machine", "")
    for other in PLATFORMS:
        tags = {tag.removesuffix(machine) + other.machine for tag in target.tags if tag.endswith(machine)}
        if other.machine != machine and any(
            tags & {str(tag) for tag in parse_wheel_filename(name)[3]} for name in wheels
        ):
            return other
    return None


def _runs_on(file: IndexFile, python: str, tags: set[str]) -> bool:
    """Whether the target could install the wheel if it had that python; near enough for a hint.

    Args:
        file: the wheel.
        python: `X.Y`.
        tags: of the target.
    """
    platforms = sorted({tag.rpartition("-")[2] for tag in tags} - {"any"})
    version = (3, int(python.partition(".")[2]))
    own = {
        *cpython_tags(version, platforms=platforms),
        *compatible_tags(version, f"cp{python.replace('.', '')}", platforms),
    }
    return accepts(file.requires_python, f"{python}.99") and not own.isdisjoint(
        parse_wheel_filename(file.filename)[3]
    )


def _builds_of(requirement: Requirement, fits: set[Version]) -> set[Version]:
    """What there is of the version of which another build is asked for: of 2.13.0, for `2.13.0+cpux`."""
    pinned = exact_version(requirement)
    if pinned is None or pinned.local is None:
        return set()
    return {found for found in fits if found.public == pinned.public}


def _no_such_build(
    requirement: Requirement, builds: set[Version], asker: Asker, index: str
) -> tuple[str, str]:
    name = requirement.name
    message = (
        f"index `{index}` has no build `{requirement}`{asker.clause.rstrip(',')}; "
        f"it has {_few(_sorted(builds))}"
    )
    labels = [str(build) for build in builds if build.local]
    if not labels:
        return message, (
            f"builds with a label come from an index of their own: bind `{name}` to it under `indexes:`"
        )
    [near] = get_close_matches(str(requirement.specifier)[2:], sorted(labels), n=1, cutoff=0)
    return message, f"did you mean `{name}=={near}`?"


def _of(files: Sequence[IndexFile], requirement: Requirement, *, wheels: bool) -> list[str]:
    """Names of the wheels, or of the sources, of the versions asked for; the newest first."""
    found: list[tuple[Version, str]] = []
    for file in files:
        if file.is_wheel != wheels or not (file.is_wheel or file.is_sdist):
            continue
        try:
            name = file.filename
            version = parse_wheel_filename(name)[1] if wheels else parse_sdist_filename(name)[1]
        except ValueError:
            continue
        if requirement.specifier.contains(version, prereleases=True):
            found.append((version, name))
    return [name for _, name in sorted(found, reverse=True)]


def _other_name(name: str, situation: Situation) -> str:
    index = situation.index_of(name)
    if index != DEFAULT_INDEX:
        return f"look at `{situation.page_of(name)}`: are the name and the `url` of `{index}` right?"
    instead = _instead(name)
    if instead:
        return instead
    near = get_close_matches(name, WELL_KNOWN, n=1, cutoff=0.7)
    if near:
        return f"did you mean `{near[0]}`?"
    return "look for its name on the index; a package of another index is bound to it under `indexes:`"


def _instead(name: str) -> str | None:
    known = IMPORTED_AS.get(name)
    return f"the package is called `{known}`" if known else None


def _sorted(versions: Sequence[Version] | set[Version]) -> list[str]:
    return [str(version) for version in sorted(versions, reverse=True)]


def _few(items: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(f"`{item}`" for item in items[:most])
    return shown if len(items) <= most else f"{shown} and {len(items) - most} more"
