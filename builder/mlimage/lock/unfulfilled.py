"""Why no file fulfils a requirement: what the index has of that package, held against the target."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

from mlimage.content.interpreter import Target
from mlimage.errors import ResolveError
from mlimage.lock.files import IndexFile
from mlimage.lock.metadata import ELSEWHERE
from mlimage.lock.names import IMPORTED_AS, WELL_KNOWN, WITH_WHEELS
from mlimage.lock.situation import Asker, Situation, in_effect, usable
from mlimage.lock.waysout import (
    ToBuild,
    build_once,
    finished,
    other_parent,
    other_python,
    other_versions,
    pythons_for,
    readable_version,
    unreadable,
)
from mlimage.lock.wheels import candidates
from mlimage.mirrors import DEFAULT_INDEX
from mlimage.platforms import PLATFORMS, Platform
from mlimage.spec.pythons import BaseChoice
from mlimage.spec.requirements import exact_version
from mlimage.spec.suites import OLDEST_PYTHON

_VERBOSE: Final = "with `--verbose` all that the resolver wrote is shown"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Missing:
    """A requirement that nothing fulfils.

    Attributes:
        message: why.
        asker: who asks for it.
        ways: what the user can do, each a clause.
        pythons: those for which it has a wheel.
        sources: what there is of it to build.
    """

    message: str
    asker: Asker
    ways: tuple[str, ...] = ()
    pythons: tuple[BaseChoice, ...] = ()
    sources: ToBuild | None = None

    @property
    def clauses(self) -> tuple[str, ...]:
        """The ways out but for building it."""
        return (*self.ways, *(other_python(choice) for choice in self.pythons[:1]))


def unfulfilled(situation: Situation) -> ResolveError | None:
    """The error for all that the spec itself asks for and that nothing fulfils, each for itself."""
    found = [
        _missing(item.text, Asker(requirement=item), situation)
        for item in in_effect(situation)
        if not usable(Requirement(item.text), situation)
    ]
    if len(found) < 2:
        return _error(found[0], situation) if found else None
    lines = [f"{len(found)} requirements cannot be fulfilled for {situation.about}:"]
    for each in found:
        lines.append(f"{each.asker.where}: {each.message.replace(f' for {situation.about}', '')}")
        if each.clauses:
            lines.append(f"  hint: {'; or '.join(each.clauses)}")
    return ResolveError("\n".join(lines), hint="; ".join(_together(found, situation)) or None)


def _together(found: Sequence[_Missing], situation: Situation) -> list[str]:
    """What helps several at once."""
    ways = []
    best = max(
        (choice for each in found for choice in each.pythons),
        key=lambda choice: sum(choice in each.pythons for each in found),
        default=None,
    )
    helped = sum(best in each.pythons for each in found)
    if best is not None and helped > 1:
        which = "all" if helped == len(found) else f"{helped} of these"
        ways.append(f"{which} have wheels for python {best.python}: {other_python(best)}")
    sources = [each.sources for each in found if each.sources and not each.pythons]
    if sources:
        ways.append(f"where only sources are there, {build_once(sources, situation)}")
    return ways


def explain_missing(text: str, asker: Asker, situation: Situation) -> ResolveError:
    """The error for a requirement that no file fulfils.

    Args:
        text: the requirement that could not be fulfilled.
        asker: who asks for it.
        situation: what was to be resolved.
    """
    return _error(_missing(text, asker, situation), situation)


def _error(missing: _Missing, situation: Situation) -> ResolveError:
    ways = list(missing.clauses)
    if missing.sources:
        ways.append(build_once([missing.sources], situation))
    return ResolveError(missing.message, where=missing.asker.where, hint="; or ".join(ways) or None)


def _missing(text: str, asker: Asker, situation: Situation) -> _Missing:
    requirement = Requirement(text)
    name = canonicalize_name(requirement.name)
    index = situation.index_of(name)
    files = situation.files(name)
    fits = {found.version for found in candidates(files, situation.target, situation.as_of)}
    later = {found.version for found in candidates(files, situation.target, None)} - fits
    matching = {found for found in fits if requirement.specifier.contains(found, prereleases=True)}
    ways: tuple[str, ...] = ()
    if str(requirement.specifier) == ELSEWHERE:
        message = f"`{asker.package}` asks for `{name}` at an address of its own, which cannot be locked"
        ways = (f"ask for another version of `{asker.package}`, whose packages all come from an index",)
    elif not files:
        message = f"index `{index}` has no package `{name}`{asker.clause.rstrip(',')}"
        ways = (_other_name(name, asker, situation),)
    elif requirement.specifier and any(requirement.specifier.contains(v, prereleases=True) for v in later):
        message = (
            f"`{text}`{asker.clause} needs a release that is newer than this lock, "
            f"which holds what there was at {situation.as_of:%Y-%m-%dT%H:%M:%SZ}"
        )
        ways = (f"`mlimage lock {situation.image} --upgrade-package {name}` looks at newer ones",)
    elif matching:
        message, ways = _not_taken(text, asker, matching, situation)
    elif wheels := _of(files, requirement, wheels=True):
        return _no_fitting_wheel(text, asker, wheels, situation)
    elif sources := _of(files, requirement, wheels=False):
        return _only_sources(
            f"`{text}`{asker.clause} has no wheels on index `{index}`", text, asker, sources, situation
        )
    elif builds := _builds_of(requirement, fits):
        message, hint = _no_such_build(requirement, builds, asker, index)
        ways = (hint,)
    elif fits:
        message = (
            f"index `{index}` has no version of `{name}` that fits `{text}`{asker.clause.rstrip(',')}; "
            f"it has {_few(_sorted(fits))}"
        )
        ways = (
            _versions(requirement, None, asker, situation)
            if asker.package
            else (f"ask for one that there is, as `{name}=={max(fits)}`",)
        )
    else:
        message = f"index `{index}` has no version of `{name}`{asker.clause} for {situation.about}"
    return _Missing(message=message, asker=asker, ways=ways)


def _not_taken(
    text: str, asker: Asker, matching: set[Version], situation: Situation
) -> tuple[str, tuple[str, ...]]:
    """Message and ways out where there are wheels for the target, and the resolver took none."""
    requirement = Requirement(text)
    name = canonicalize_name(requirement.name)
    newest = max(matching)
    if not usable(requirement, situation):
        message = f"`{text}`{asker.clause} fits withdrawn versions only: {_few(_sorted(matching))}"
        return message, (f"name the one that you want: `{requirement.name}=={newest}`",)
    wheels = {
        found.version: found.file
        for found in candidates(situation.files(name), situation.target, situation.as_of)
    }
    if wrong := unreadable(wheels[newest], situation):
        message = (
            f"`{name}=={newest}`{asker.clause} cannot be read: its metadata asks for `{wrong}`, "
            "which is not a requirement"
        )
        near = readable_version(name, newest, situation)
        return message, (f"ask for `{name}=={near}`, the nearest version that can be",) if near else ()
    if all(version.is_prerelease for version in matching):
        message = f"`{text}`{asker.clause} fits unfinished versions only: {_few(_sorted(matching))}"
        return message, (f"name the one that you want: `{requirement.name}=={newest}`",)
    message = (
        f"no version of `{name}` was found that fits `{text}`{asker.clause.rstrip(',')} and all else that is "
        f"asked for; index `{situation.index_of(name)}` has {_few(_sorted(matching))}"
    )
    return message, (_VERBOSE,)


def _no_fitting_wheel(text: str, asker: Asker, wheels: Sequence[str], situation: Situation) -> _Missing:
    """Wheels of which none can be installed on the target."""
    requirement = Requirement(text)
    name = canonicalize_name(requirement.name)
    files = {file.filename: file for file in situation.files(name)}
    tags = set(situation.target.tags)
    needed = {
        requires
        for filename in wheels
        if (requires := files[filename].requires_python)
        and tags & {str(tag) for tag in parse_wheel_filename(filename)[3]}
    }
    sources = _of(situation.files(name), requirement, wheels=False)
    machine = situation.target.markers.get("platform_machine", "")
    here = [filename for filename in wheels if _is_for(filename, machine)]
    if needed:
        wanted = "` or `".join(sorted(needed))
        message = (
            f"`{text}`{asker.clause} needs python `{wanted}`, and the image has python {situation.python}"
        )
    else:
        message = f"`{text}`{asker.clause} has no wheel for {situation.about}"
        if sources and not any(map(_is_compiled, here)):
            return _only_sources(message, text, asker, sources, situation)
        pythons = _pythons_of(here)
        other = pythons and situation.python not in pythons
        message += (
            f"; its wheels are for python {', '.join(pythons)}" if other else f"; there are {_few(wheels)}"
        )
    ways = list(_versions(requirement, _newest(wheels, wheel=True), asker, situation))
    there = _platform_with(wheels, situation.target)
    if there and str(there) not in situation.platforms:
        ways.append(f"write `platforms: [{there}]`: there are wheels for that one")
    elif there:
        this = next(each for each in PLATFORMS if each.machine == machine)
        if asker.package is None:
            bare = f"{requirement.name}{requirement.specifier}"
            ways.append(f'ask for it there alone, `{bare}; platform_machine == "{there.machine}"`')
        ways.append(f"leave `{this}` out of `platforms:`: there are wheels for `{there}`")
    found = pythons_for([files[filename] for filename in wheels], situation)
    if not ways and not found and not sources:
        ways.append(_another(asker))
    return _Missing(
        message=message,
        asker=asker,
        ways=tuple(ways),
        pythons=found,
    )


def _only_sources(
    message: str, text: str, asker: Asker, sources: Sequence[str], situation: Situation
) -> _Missing:
    requirement = Requirement(text)
    name = canonicalize_name(requirement.name)
    other = _instead(name, asker)
    return _Missing(
        message=f"{message}, only sources to build: {_few(sources)}",
        asker=asker,
        ways=(
            *((other,) if other else ()),
            *_versions(requirement, _newest(sources, wheel=False), asker, situation),
        ),
        sources=_to_build(requirement, situation),
    )


def _to_build(requirement: Requirement, situation: Situation) -> ToBuild:
    return ToBuild(requirement=requirement, index=situation.index_of(requirement.name))


def _versions(
    requirement: Requirement, wanted: Version | None, asker: Asker, situation: Situation
) -> tuple[str, ...]:
    """Which other version to ask for: of the package, or where a package asks for it, of that one."""
    name = canonicalize_name(requirement.name)
    if asker.package is None:
        way = other_versions(name, wanted, finished(requirement, situation))
    else:
        way = _other_parent(name, asker, situation)
    return (way,) if way else ()


def _other_parent(name: str, asker: Asker, situation: Situation) -> str | None:
    """With the extras that the spec asks for."""
    parent = Requirement(asker.package or "")
    own = Requirement(asker.requirement.text) if asker.requirement else parent
    if canonicalize_name(own.name) == canonicalize_name(parent.name):
        parent.extras |= own.extras
        return other_parent(name, parent, exact_version(own), situation)
    return other_parent(name, parent, None, situation)


def _another(asker: Asker) -> str:
    """What is left where nothing else helps; nobody can leave out what a package asks for."""
    oldest = f"packages can be locked for python {OLDEST_PYTHON} and newer"
    if asker.package is None:
        return f"ask for another package: {oldest}"
    wrote = Requirement(asker.requirement.text).name if asker.requirement else asker.package
    return f"ask for another package in place of `{wrote}`, or another version of it: {oldest}"


def _newest(filenames: Sequence[str], *, wheel: bool) -> Version:
    """Their order is that of `_of`."""
    first = filenames[0]
    return parse_wheel_filename(first)[1] if wheel else parse_sdist_filename(first)[1]


def _is_for(filename: str, machine: str) -> bool:
    """Whether a wheel is for Linux on this machine, with whatever python."""
    platforms = [tag.platform for tag in parse_wheel_filename(filename)[3]]
    return any(each == "any" or ("linux" in each and each.endswith(machine)) for each in platforms)


def _is_compiled(filename: str) -> bool:
    """Whether a wheel has code that was compiled: from its sources not everybody can make one."""
    return any(tag.platform != "any" for tag in parse_wheel_filename(filename)[3])


def _pythons_of(filenames: Sequence[str]) -> list[str]:
    """The pythons that wheels are for, the oldest first; none where one is for python 3 at large."""
    found = set()
    for filename in filenames:
        for tag in parse_wheel_filename(filename)[3]:
            if not tag.interpreter.startswith(("cp3", "py3")):
                continue
            version = re.fullmatch(r"cp3([0-9]+)", tag.interpreter)
            if version is None or tag.abi == "abi3":
                return []
            found.add(int(version[1]))
    return [f"3.{minor}" for minor in sorted(found)]


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


def _other_name(name: str, asker: Asker, situation: Situation) -> str:
    index = situation.index_of(name)
    if index != DEFAULT_INDEX:
        return f"look at `{situation.page_of(name)}`: are the name and the `url` of `{index}` right?"
    instead = _instead(name, asker)
    if instead:
        return instead
    if asker.package is not None:
        other = _other_parent(name, asker, situation)
        other = other or f"ask for another version of `{Requirement(asker.package).name}`"
        return f"{other}; or where it is a package of another index, bind it to that under `indexes:`"
    near = get_close_matches(name, WELL_KNOWN, n=1, cutoff=0.7)
    if near:
        return f"did you mean `{near[0]}`?"
    return "look for its name on the index; a package of another index is bound to it under `indexes:`"


def _instead(name: str, asker: Asker) -> str | None:
    """The name that somebody meant who wrote this one into the spec."""
    if asker.package is not None:
        return None
    if name in IMPORTED_AS:
        return f"the package is called `{IMPORTED_AS[name]}`"
    return f"ask for `{WITH_WHEELS[name]}`, the same with wheels" if name in WITH_WHEELS else None


def _sorted(versions: Collection[Version]) -> list[str]:
    return [str(version) for version in sorted(versions, reverse=True)]


def _few(items: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(f"`{item}`" for item in items[:most])
    return shown if len(items) <= most else f"{shown} and {len(items) - most} more"
