"""Requirements that cannot be had together, side by side, each with its place in the spec."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from mlimage.errors import ResolveError
from mlimage.lock.situation import Asker
from mlimage.spec.requirements import SpecRequirement

_BUILD: Final = re.compile(r"[\w.-]+\s*==\s*(?P<version>[^+\s,]+)\+(?P<build>[\w.]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of a conflict.

    Attributes:
        wanted: the requirement.
        asker: who asks.
        versions: of the package that asks, as a person reads them; none where the spec asks.
    """

    wanted: str
    asker: Asker
    versions: tuple[str, ...] = ()

    @classmethod
    def of_spec(cls, text: str, requirement: SpecRequirement | None) -> Self:
        """What the spec asks for."""
        return cls(wanted=" ".join(text.split()), asker=Asker(requirement=requirement))

    @classmethod
    def of_package(
        cls,
        package: str,
        version: str,
        wanted: str,
        origin: SpecRequirement | None,
        *,
        via: tuple[str, ...] = (),
    ) -> Self:
        """What a package asks for.

        Args:
            package: its name.
            version: which of its versions, for people.
            wanted: the requirement.
            origin: the requirement of the spec that brought the package.
            via: packages from that one to it.
        """
        return cls(
            wanted=wanted,
            asker=Asker(requirement=origin, package=package, via=via),
            versions=(version,) if version else (),
        )

    @property
    def requirement(self) -> Requirement | None:
        """What is asked for; None where it cannot be read."""
        try:
            return Requirement(self.wanted)
        except InvalidRequirement:
            return None

    @property
    def text(self) -> str:
        """What a person reads."""
        package, origin = self.asker.package, self.asker.requirement
        if package is None:
            return f"you ask for `{self.wanted}`"
        if len(self.versions) > 1:
            first, *_, last = self.versions
            text = f"`{package}` {last} to {first} ({len(self.versions)} versions) need `{self.wanted}`"
        else:
            text = f"`{' '.join((package, *self.versions))}` needs `{self.wanted}`"
        if origin is None:
            return text
        written = " ".join(origin.text.split())
        if name_of(origin.text) == name_of(package):
            return f"{text}, and you ask for `{written}`"
        return f"{text}, and comes with `{written}`"


def explain_conflict(sides: Sequence[Side]) -> ResolveError:
    """The error for at least one side."""
    sides = _merged(sides)
    asked = [side.asker for side in sides if side.asker.requirement is not None]
    names = sorted({name_of(side.wanted) for side in sides})
    head = f"these cannot be had together ({', '.join(names)}):"
    lines = [f"  {side.text}" + (f"  ({side.asker.where})" if side.asker.where else "") for side in sides]
    return ResolveError(
        "\n".join([head, *dict.fromkeys(lines)]),
        where=asked[0].where if asked else None,
        hint=_builds(sides) or _loosen(asked),
    )


def _merged(sides: Sequence[Side]) -> list[Side]:
    """Versions of one package that want the same are one side."""
    found: dict[tuple[str, Asker], Side] = {}
    for side in sides:
        key = (side.wanted, side.asker)
        before = found.get(key)
        new = tuple(version for version in side.versions if before and version not in before.versions)
        found[key] = replace(before, versions=(*before.versions, *new)) if before else side
    return list(found.values())


def _loosen(asked: Sequence[Asker]) -> str:
    """What can be changed is what the user wrote; what a package asks for nobody can drop."""
    wrote = [" ".join(each.requirement.text.split()) for each in asked if each.requirement]
    which = [f"`{text}`" for text in dict.fromkeys(wrote)]
    return f"change or drop {' or '.join(which)}" if which else "ask for other versions of what brings them"


def _builds(sides: Sequence[Side]) -> str | None:
    """The hint for builds of one version, as `2.13.0+cpu` and `2.13.0+cu130`."""
    pinned = [_BUILD.fullmatch(side.wanted.partition(";")[0].strip()) for side in sides]
    versions = {match["version"] for match in pinned if match}
    if not all(pinned) or len({name_of(side.wanted) for side in sides}) > 1 or len(versions) > 1:
        return None
    name = name_of(sides[0].wanted)
    return f"an image has one build of `{name}`: ask for each in a variant of its own (`variants:`)"


def name_of(text: str) -> str:
    """The normalized name of a requirement; the text itself where it is none."""
    try:
        return canonicalize_name(Requirement(text).name)
    except InvalidRequirement:
        return text
