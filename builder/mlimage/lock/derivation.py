"""Why uv found no solution, in the user's words: its chain of "because", held against the spec and the index.

The words are those of `lock.explain` where the reason is the same; what is not understood is quoted.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

from mlimage.errors import ResolveError
from mlimage.lock.check import normalized
from mlimage.lock.conflict import Side, explain_conflict, name_of
from mlimage.lock.situation import Asker, Situation, in_effect, usable
from mlimage.lock.unfulfilled import explain_missing
from mlimage.spec.requirements import SpecRequirement

_NO_SOLUTION: Final = "No solution found when resolving dependencies"
_CONCLUSION: Final = re.compile(r"we can conclude that [^\n]*")
_TERM: Final = r"[^\s,]+(?:,[^\s,]+)*"
_DEPENDS: Final = re.compile(
    rf"(?P<who>{_TERM}) depends? on (?P<one>{_TERM})(?: and (?P<two>{_TERM})(?= and |, |,?\n|,?$))?"
)
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_MARKS: Final = re.compile(r"^\s*(?:error:|cause:|hint:|[\u00d7\u2500-\u25ff]+)?\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """That something of a package is asked for.

    Attributes:
        requirement: what is asked for.
        origin: the requirement of the spec that it is, or that brought the package which asks.
        by: the package that asks, with those of its versions that do; None for the spec.
        via: names of packages from the one that the spec asks for to that one.
    """

    requirement: Requirement
    origin: SpecRequirement | None
    by: Requirement | None = None
    via: tuple[str, ...] = ()

    @property
    def about(self) -> NormalizedName:
        return canonicalize_name(self.requirement.name)

    @property
    def asker(self) -> Asker:
        return Asker(requirement=self.origin, package=self.by.name if self.by else None, via=self.via)


def explain(output: str, situation: Situation) -> ResolveError:
    """The error for what uv wrote when it failed."""
    if _NO_SOLUTION not in output:
        return _quoted("uv failed", output)
    story = _CONCLUSION.sub("", output)
    asked = [
        _Wish(requirement=_unmarked(item.text), origin=item)
        for item in in_effect(situation)
        if name_of(item.text) in _names(story)
    ]
    needed = list(_needed(story, asked))
    return (
        _missing(asked, situation)
        or _conflict([*asked, *needed], situation)
        or _missing(needed, situation)
        or _quoted("uv found no solution", output)
    )


def _missing(wishes: Sequence[_Wish], situation: Situation) -> ResolveError | None:
    """The first that nothing fulfils, whatever else is asked for."""
    for wish in wishes:
        if not usable(wish.requirement, situation):
            return explain_missing(normalized(str(wish.requirement)), wish.asker, situation)
    return None


def _conflict(wishes: Sequence[_Wish], situation: Situation) -> ResolveError | None:
    """Those of one package that nothing fulfils together."""
    sides: list[Side] = []
    for name, group in groupby(sorted(wishes, key=lambda wish: wish.about), key=lambda wish: wish.about):
        about = list(group)
        together = Requirement(name)
        together.specifier = SpecifierSet(",".join(str(wish.requirement.specifier) for wish in about))
        alone = all(usable(wish.requirement, situation) for wish in about)
        if alone and not usable(together, situation):
            sides.extend(_side(wish, wishes, situation) for wish in about)
    return explain_conflict(sides) if sides else None


def _side(wish: _Wish, wishes: Sequence[_Wish], situation: Situation) -> Side:
    wanted = normalized(str(wish.requirement))
    if wish.by is None:
        return Side.of_spec(wish.origin.text if wish.origin else wanted, wish.origin)
    package = canonicalize_name(wish.by.name)
    asking = Requirement(package)
    asking.specifier = wish.by.specifier
    for other in wishes:
        if other.by is None and other.about == package:
            asking.specifier &= other.requirement.specifier
    versions = usable(asking, situation)
    if len(versions) == 1:
        return Side.of_package(package, str(versions.pop()), wanted, wish.origin, via=wish.via)
    return Side.of_package(normalized(str(wish.by)), "", wanted, wish.origin, via=wish.via)


def _needed(story: str, asked: Sequence[_Wish]) -> Iterator[_Wish]:
    """What packages ask of packages: "app>=4.0 depends on lib<2"."""
    found = list(dict.fromkeys(_dependencies(story)))
    bringers = {canonicalize_name(Requirement(wanted).name): Requirement(who).name for who, wanted in found}
    origins = {wish.about: wish.origin for wish in asked}

    def via(name: NormalizedName) -> tuple[NormalizedName, ...]:
        """From what the spec asks for to this one, as far as uv tells."""
        way = [name]
        while way[-1] not in origins and way[-1] in bringers:
            above = canonicalize_name(bringers[way[-1]])
            if above in way:
                break
            way.append(above)
        return tuple(reversed(way))

    for who, wanted in found:
        by = Requirement(who)
        by.extras = set()
        way = via(canonicalize_name(by.name))
        yield _Wish(requirement=Requirement(wanted), origin=origins.get(way[0]), by=by, via=way)


def _dependencies(story: str) -> Iterator[tuple[str, str]]:
    for match in _DEPENDS.finditer(story):
        for wanted in filter(None, (match["one"], match["two"])):
            try:
                asked, by = Requirement(wanted.rstrip(",")), Requirement(match["who"])
            except InvalidRequirement:
                continue
            if asked.name != "Python":  # what the image's python is too old for is missing
                yield str(by), str(asked)


def _unmarked(text: str) -> Requirement:
    requirement = Requirement(normalized(text))
    requirement.marker = None
    return requirement


def _names(text: str) -> set[str]:
    return {canonicalize_name(name) for name in _NAME.findall(text)}


def _quoted(what: str, output: str) -> ResolveError:
    lines = [_MARKS.sub("", line) for line in output.splitlines()]
    said = [line for line in lines if line and not line.startswith((_NO_SOLUTION, "warning:", "Resolved "))]
    return ResolveError("\n  ".join([f"{what}:", *said]), hint="with `--verbose` all that it wrote is shown")
