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
from mlimage.lock.conflict import Side, explain_conflict
from mlimage.lock.unfulfilled import Asker, Situation, explain_missing, usable
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
    """

    requirement: Requirement
    origin: SpecRequirement | None
    by: Requirement | None = None

    @property
    def about(self) -> NormalizedName:
        return canonicalize_name(self.requirement.name)

    @property
    def asker(self) -> Asker:
        return Asker(requirement=self.origin, package=self.by.name if self.by else None)


def explain(output: str, situation: Situation) -> ResolveError:
    """The error for what uv wrote when it failed."""
    if _NO_SOLUTION not in output:
        return _quoted("uv failed", output)
    story = _CONCLUSION.sub("", output)
    asked = [
        _Wish(requirement=_unmarked(item.text), origin=item) for item in _in_effect(situation, _names(story))
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
    who = f"{package} {versions.pop()}" if len(versions) == 1 else normalized(str(wish.by))
    return Side.of_package(package, who, wanted, wish.origin)


def _needed(story: str, asked: Sequence[_Wish]) -> Iterator[_Wish]:
    """What packages ask of packages: "app>=4.0 depends on lib<2"."""
    found = list(dict.fromkeys(_dependencies(story)))
    bringers = {canonicalize_name(Requirement(wanted).name): Requirement(who).name for who, wanted in found}
    origins = {wish.about: wish.origin for wish in asked}

    def origin(name: NormalizedName) -> SpecRequirement | None:
        seen: set[str] = set()
        while name not in origins and name in bringers and name not in seen:
            seen.add(name)
            name = canonicalize_name(bringers[name])
        return origins.get(name)

    for who, wanted in found:
        by = Requirement(who)
        by.extras = set()
        yield _Wish(requirement=Requirement(wanted), origin=origin(canonicalize_name(by.name)), by=by)


def _dependencies(story: str) -> Iterator[tuple[str, str]]:
    for match in _DEPENDS.finditer(story):
        for wanted in filter(None, (match["one"], match["two"])):
            try:
                asked, by = Requirement(wanted.rstrip(",")), Requirement(match["who"])
            except InvalidRequirement:
                continue
            if asked.name != "Python":  # what the image's python is too old for is missing
                yield str(by), str(asked)


def _in_effect(situation: Situation, names: set[str]) -> Iterator[SpecRequirement]:
    """The requirements of the spec that count on the target, of these packages."""
    for item in situation.requirements:
        requirement = Requirement(item.text)
        if requirement.marker is not None and not requirement.marker.evaluate(dict(situation.target.markers)):
            continue
        if canonicalize_name(requirement.name) in names:
            yield item


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
