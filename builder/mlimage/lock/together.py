"""Refuses the packages of one image that conflict, and says who asks for each and what settles it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from mlimage.errors import MlimageError, ResolveError
from mlimage.lock.collisions import Allowed, Conflict, Verdict, allowed_by, judge
from mlimage.lock.contents import Contents
from mlimage.lock.model import Lock, LockedPackage
from mlimage.lock.roles import packages_of
from mlimage.lock.sources import Sources
from mlimage.spec.load import LoadedSpec
from mlimage.spec.tags import ROLES

_OF_SPEC: Final = "-r "
_MOST: Final = 3
"""Requirements that a hint names, so that it stays one that is followed."""


def refuse_conflicts(
    verdict: Verdict,
    packages: Sequence[LockedPackage],
    *,
    image: str,
    error: type[MlimageError],
    places: Mapping[str, str] | None = None,
) -> None:
    """Raise the error for the conflicts of an image, if there are any.

    Args:
        verdict: what was found.
        packages: those of the image.
        image: what people call it.
        error: the class of the error.
        places: where in the user's files requirements stand, as `path:line:column`, by name of the package.
    """
    if not verdict.conflicts:
        return
    by_name = {package.name: package for package in packages}
    lines: list[str] = []
    for each in verdict.conflicts:
        lines += [
            f"  `{each.first.name}` and `{each.second.name}` {each.what}",
            *(f"    {_asked(package, by_name)}" for package in (each.first, each.second)),
        ]
    roots = _removable(verdict.conflicts[0], by_name)
    raise error(
        f"`{image}` has packages that cannot be together:\n" + "\n".join(lines),
        where=next((places[root] for root, _ in roots if places and root in places), None),
        hint=_hint(verdict, roots),
    )


def check_locked(loaded: LoadedSpec, lock: Lock, sources: Sources) -> None:
    """Refuse packages that were just locked and cannot be together, as far as their wheels are at hand.

    Nothing is fetched for it; what cannot be told now, a build tells.

    Raises:
        ResolveError: names them, who asks for each, and what settles it.
        BuildError: a wheel is none, or an image cannot have it.
    """
    allowed = allowed_by(loaded.spec)
    places: dict[str, str] = {
        canonicalize_name(Requirement(each.text).name): each.where for each in loaded.requirements
    }
    contents = Contents(sources.cache, python=lock.base.python, wheel=sources.inputs.at_hand)
    for role in ROLES if loaded.spec.split else (None,):
        packages = packages_of(lock, role)
        image = f"{lock.image}:{replace(lock.tag, role=role)}"
        verdict = judge(packages, contents, allowed)
        refuse_conflicts(verdict, packages, image=image, error=ResolveError, places=places)


def never_together(loaded: LoadedSpec, locks: Iterable[Lock]) -> tuple[str, ...]:
    """What to say of entries of `allow_conflicts` of whose packages no lock of the image has two."""
    there = [{package.name for package in lock.packages} for lock in locks]
    return tuple(
        f"`allow_conflicts` has {_names(each)}, which are not together in any lock of `{loaded.spec.name}`"
        for each in allowed_by(loaded.spec)
        if all(len(names.intersection(each.packages)) < 2 for names in there)
    )


def unused_text(allowed: Allowed, image: str) -> str:
    """What to say of an entry of `allow_conflicts` that settles nothing."""
    paths = f" at {', '.join(f'`{path}`' for path in allowed.paths)}" if allowed.paths else ""
    return f"`allow_conflicts` has {_names(allowed)}, and nothing of theirs conflicts in `{image}`{paths}"


def _names(allowed: Allowed) -> str:
    return " and ".join(f"`{name}`" for name in allowed.packages)


def _asked(package: LockedPackage, by_name: Mapping[str, LockedPackage]) -> str:
    """Who asks for a package, by the shortest way to the spec."""
    chain, place = _chain(package, by_name)
    said = f"`{package.name}` {package.version} is "
    if not place:
        return said + "asked for by nobody that is known"
    if not chain:
        return f"{said}in `{place}`"
    first, *more = chain
    return (
        f"{said}asked for by `{first}`" + "".join(f", that by `{each}`" for each in more) + f", in `{place}`"
    )


def _chain(package: LockedPackage, by_name: Mapping[str, LockedPackage]) -> tuple[list[str], str]:
    """Packages from the one that asks for it up to one in the spec, and its place there."""
    ways: list[tuple[LockedPackage, list[str]]] = [(package, [])]
    seen = {package.name}
    for each, way in ways:
        place = next((asker for asker in each.required_by if asker.startswith(_OF_SPEC)), None)
        if place:
            return way, place.removeprefix(_OF_SPEC)
        for asker in each.required_by:
            if asker in by_name and asker not in seen:
                seen.add(asker)
                ways.append((by_name[asker], [*way, asker]))
    return [], ""


def _roots(package: LockedPackage, by_name: Mapping[str, LockedPackage]) -> Iterator[tuple[str, str]]:
    """What the spec asks for that brings a package, each with its place."""
    waiting = [package]
    seen = {package.name}
    while waiting:
        each = waiting.pop()
        for asker in each.required_by:
            if asker.startswith(_OF_SPEC):
                yield each.name, asker.removeprefix(_OF_SPEC)
            elif asker in by_name and asker not in seen:
                seen.add(asker)
                waiting.append(by_name[asker])


def _removable(conflict: Conflict, by_name: Mapping[str, LockedPackage]) -> list[tuple[str, str]]:
    """What to remove from the spec, so that one of the two packages goes: as little as may be."""
    brought = [sorted(set(_roots(package, by_name))) for package in (conflict.second, conflict.first)]
    return min((each for each in brought if each), key=len, default=[])


def _hint(verdict: Verdict, roots: Sequence[tuple[str, str]]) -> str:
    conflicts = verdict.conflicts
    ways = []
    if 0 < len(roots) <= _MOST:
        ways.append("remove " + " and ".join(f"`{name}` from `{place}`" for name, place in roots))
    ways.append("ask for other releases of them")
    if all(each.settled for each in conflicts):
        idle = {
            conflict: allowed
            for conflict in conflicts
            for allowed in verdict.unused
            if allowed.covers(conflict.first.name, conflict.second.name)
        }
        ways += [
            f"mend the entry of {_names(each)} in `allow_conflicts`: {_why_idle(each)}"
            for each in dict.fromkeys(idle.values())
        ]
        entries = ", ".join(_entry(each) for each in conflicts if each not in idle)
        if entries:
            ways.append(f"say in the spec why it does not matter: `allow_conflicts: [{entries}]`")
    return ", or ".join(ways)


def _why_idle(allowed: Allowed) -> str:
    """Why an entry that names both packages does not settle what they have."""
    if allowed.paths:
        return "its `paths` match nothing of this"
    return f"`{allowed.keep}` has nothing of this" if allowed.keep else "it does not say which one to `keep`"


def _entry(conflict: Conflict) -> str:
    """An entry that settles it; of two packages the larger one has more to keep."""
    larger = max(conflict.first, conflict.second, key=lambda package: package.size)
    keep = f"keep: {larger.name}, " if conflict.kept else ""
    return f'{{packages: [{conflict.first.name}, {conflict.second.name}], {keep}reason: "…"}}'
