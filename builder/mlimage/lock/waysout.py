"""Ways out where nothing fulfils a requirement: other versions, another python, a wheel of one's own."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.tags import compatible_tags, cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from mlimage.lock.files import IndexFile
from mlimage.lock.situation import Situation, usable
from mlimage.lock.wheels import Candidate, accepts, candidates
from mlimage.mirrors import DEFAULT_INDEX
from mlimage.spec.ownwheel import own_wheels
from mlimage.spec.pythons import KNOWN_PYTHONS, BaseChoice

_LOOKED_AT: Final = 8
"""Versions of a package whose metadata is read for a hint."""


def finished(requirement: Requirement, situation: Situation) -> set[Version]:
    """The versions of a package for the target that are neither unfinished nor withdrawn."""
    anything = Requirement(requirement.name)
    return {version for version in usable(anything, situation) if not version.is_prerelease}


def nearest(version: Version, among: Collection[Version]) -> Version | None:
    """The next one above, or else the next one below; None among none."""
    above = [other for other in among if other >= version]
    return min(above) if above else max(among, default=None)


def other_versions(name: str, wanted: Version | None, among: Collection[Version]) -> str | None:
    """The hint to ask for another version, of which there are some: the nearest one, or any newer one."""
    if not among:
        return None
    newest = max(among)
    near = newest if wanted is None else nearest(wanted, among)
    if wanted is None or near in {None, newest}:
        return f"ask for `{name}=={newest}`, which has one"
    return (
        f"ask for `{name}=={near}`, the nearest version that has one, or for `{name}>={wanted}`, "
        "of which the newest that goes with the rest is taken"
    )


def other_parent(name: str, parent: Requirement, wanted: Version | None, situation: Situation) -> str | None:
    """The hint to ask for another version of the package that asks, where one of a few that are tried helps.

    Args:
        name: the normalized name of the package of which nothing fits.
        parent: the one that asks for it, with the extras that count.
        wanted: its version that the spec pins.
        situation: what was to be resolved.
    """
    versions = finished(parent, situation)
    wheels = {each.version: each.file for each in _candidates(parent.name, situation)}
    asking = canonicalize_name(parent.name) + (
        f"[{','.join(sorted(parent.extras))}]" if parent.extras else ""
    )
    above = sorted(version for version in versions if wanted and version > wanted)[: _LOOKED_AT // 2]
    newest = sorted(versions, reverse=True)[: _LOOKED_AT - len(above)]
    for version in dict.fromkeys((*above, *newest)):
        needs = needed(wheels[version], parent.extras, situation)
        asked = [each for each in needs if canonicalize_name(each.name) == name]
        if all(usable(each, situation) for each in asked):
            what = "asks for one that has a wheel" if asked else "does without it"
            return f"ask for `{asking}=={version}`, which {what}"
    return None


def needed(file: IndexFile, extras: Collection[str], situation: Situation) -> Iterator[Requirement]:
    """What a wheel requires on the target, with these extras; what cannot be read is left out."""
    for text in situation.needs(file):
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        marker = requirement.marker
        if marker is None or any(
            marker.evaluate({**situation.target.markers, "extra": extra}) for extra in ("", *extras)
        ):
            yield requirement


def unreadable(file: IndexFile, situation: Situation) -> str | None:
    """The first requirement in a wheel's metadata that is none."""
    for text in situation.needs(file):
        try:
            Requirement(text)
        except InvalidRequirement:
            return text
    return None


def readable_version(name: str, near: Version, situation: Situation) -> Version | None:
    """The nearest version whose metadata can be read, among the next few."""
    wheels = {each.version: each.file for each in _candidates(name, situation)}
    versions = finished(Requirement(name), situation) - {near}
    above = sorted(version for version in versions if version > near)
    below = sorted((version for version in versions if version < near), reverse=True)
    return next(
        (each for each in islice([*above, *below], _LOOKED_AT) if not unreadable(wheels[each], situation)),
        None,
    )


def _candidates(name: str, situation: Situation) -> Sequence[Candidate]:
    return candidates(situation.files(canonicalize_name(name)), situation.target, situation.as_of)


def pythons_for(files: Sequence[IndexFile], situation: Situation) -> tuple[BaseChoice, ...]:
    """The other pythons that mlimage has a base for and for which one of these wheels is."""
    return tuple(
        choice
        for choice in KNOWN_PYTHONS
        if choice.python != situation.python
        and any(_runs_on(file, choice.python, set(situation.target.tags)) for file in files)
    )


def other_python(choice: BaseChoice) -> str:
    """The edit that gives an image another python."""
    return f'write `python: "{choice.python}"` and `base: {choice.base}`'


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ToBuild:
    """Sources that a user may build into a wheel.

    Attributes:
        requirement: which.
        index: where the package comes from now.
    """

    requirement: Requirement
    index: str


def build_once(sources: Sequence[ToBuild], situation: Situation) -> str:
    """How to lock packages that have no wheels: build them, and bind them to an index of one's own."""
    wanted = [f"{each.requirement.name}{each.requirement.specifier}" for each in sources]
    names = [canonicalize_name(each.requirement.name) for each in sources]
    bound = {each.index for each in sources} - {DEFAULT_INDEX}
    instead = f" in place of {' and '.join(f'`{index}`' for index in sorted(bound))}" if bound else ""
    wheels, them = ("the wheel", "it has") if len(sources) == 1 else ("the wheels", "they have")
    return (
        f"build {wheels} once, by python {situation.python} if {them} code to compile: "
        f"{own_wheels(wanted, names, instead=instead)}"
    )
