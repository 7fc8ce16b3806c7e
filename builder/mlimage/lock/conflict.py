"""Requirements that cannot be had together, side by side, each with its place in the spec."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from mlimage.errors import ResolveError
from mlimage.lock.unfulfilled import Asker
from mlimage.spec.requirements import SpecRequirement

_BUILD: Final = re.compile(r"[\w.-]+\s*==\s*(?P<version>[^+\s,]+)\+(?P<build>[\w.]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of a conflict.

    Attributes:
        text: what a person reads.
        wanted: the requirement.
        asker: who asks.
    """

    text: str
    wanted: str
    asker: Asker

    @classmethod
    def of_spec(cls, text: str, requirement: SpecRequirement | None) -> Self:
        """What the spec asks for."""
        return cls(text=f"you ask for `{text}`", wanted=text, asker=Asker(requirement=requirement))

    @classmethod
    def of_package(cls, package: str, who: str, wanted: str, origin: SpecRequirement | None) -> Self:
        """What a package asks for.

        Args:
            package: its normalized name.
            who: the package, and which of its versions, for people.
            wanted: the requirement.
            origin: the requirement of the spec that brought the package.
        """
        text = f"`{who}` needs `{wanted}`"
        if origin is not None and name_of(origin.text) != package:
            text += f", and comes with `{origin.text}`"
        elif origin is not None:
            text += f", and you ask for `{origin.text}`"
        return cls(text=text, wanted=wanted, asker=Asker(requirement=origin))


def explain_conflict(sides: Sequence[Side]) -> ResolveError:
    """The error for at least one side."""
    asked = [side for side in sides if side.asker.requirement is not None]
    names = sorted({name_of(side.wanted) for side in sides})
    head = f"these cannot be had together ({', '.join(names)}):"
    lines = [f"  {side.text}" + (f"  ({side.asker.where})" if side.asker.where else "") for side in sides]
    return ResolveError(
        "\n".join([head, *dict.fromkeys(lines)]),
        where=asked[0].asker.where if asked else None,
        hint=_builds(sides) or "loosen or drop one of them",
    )


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
