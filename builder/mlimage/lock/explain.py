"""Why there is no solution, in the user's words: what pip says, held against the spec and the index."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from mlimage.errors import ResolveError
from mlimage.lock.check import normalized
from mlimage.lock.conflict import Side, explain_conflict, name_of
from mlimage.lock.situation import Asker, Situation, usable
from mlimage.lock.unfulfilled import explain_missing
from mlimage.spec.requirements import SpecRequirement

_NOT_FOUND: Final = re.compile(
    r"ERROR: Could not find a version that satisfies the requirement (?P<text>.+?)"
    r"(?: \(from (?!versions:)(?P<chain>[^()]*(?:\([^()]*\)[^()]*)*)\))? \(from versions: "
)
_COLLECTING: Final = re.compile(r"^\s*Collecting (?P<text>.+?)(?: \(from (?P<chain>.+)\))?\s*$", re.MULTILINE)
_LINE: Final = re.compile(r"-r \S*spec\.in \(line (?P<line>\d+)\)")
_FROM_HERE: Final = re.compile(
    r" (?P<version>[^ ]+) \(from https?://127\.0\.0\.1[^()]*(?:\([^()]*\)[^()]*)*\)"
)
"""How pip calls a version that it found, which what asks with an extra needs: at our own server."""
_OTHER_PYTHON: Final = re.compile(
    r"Package '(?P<name>[^']+)' requires a different Python: \S+ not in '(?P<wanted>[^']+)'"
)
"""What pip ends with where a version is pinned, and only its metadata says that it is for other pythons."""
_USER: Final = re.compile(r"The user requested (?!\(constraint\))(?P<text>.+)")
_DEPENDS: Final = re.compile(r"(?P<name>\S+) (?P<version>\S+) depends on (?P<text>.+)")


def explain(output: str, situation: Situation) -> ResolveError:
    """The error for what pip-compile wrote when it failed."""
    output = _FROM_HERE.sub(r"==\g<version>", output)
    conflict = _conflict(output, situation)
    if conflict is not None:
        return conflict
    missing = _NOT_FOUND.search(output)
    if missing is not None:
        return explain_missing(
            missing["text"], _asked_by(output, missing["text"], missing["chain"], situation), situation
        )
    other = _OTHER_PYTHON.search(output)
    if other is not None:
        asked = next(
            (each for each in situation.requirements if name_of(each.text) == name_of(other["name"])), None
        )
        return ResolveError(
            f"`{asked.text if asked else other['name']}` needs python `{other['wanted']}`, and the image has "
            f"python {situation.python}",
            where=asked.where if asked else None,
            hint=f"ask for another version of `{name_of(other['name'])}`, or take another python",
        )
    if "resolution-too-deep" in output or "ResolutionTooDeep" in output:
        return ResolveError(
            "pip gave up: too many versions could fit together, and it tried very many of them",
            hint="give lower bounds to the packages that you ask for, as `numpy>=2`",
        )
    if "RecursionError: " in output:  # resolvelib's `_has_route_to_root`, when it turned away from a circle
        return ResolveError(
            "pip gave up on packages that ask for each other, in a circle: that is a defect of pip's",
            hint=f"`mlimage lock {situation.image} --resolver uv` does not have it",
        )
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR: ")] or lines[-1:]
    said = "\n".join(f"  {line.removeprefix('ERROR: ')}" for line in errors)
    return ResolveError(f"pip-compile failed:\n{said}", hint="with `--verbose` all that it wrote is shown")


def _conflict(output: str, situation: Situation) -> ResolveError | None:
    """What pip calls "The conflict is caused by:", each side with its place in the spec."""
    _, found, rest = output.partition("The conflict is caused by:")
    if not found:
        return None
    causes = [line.strip() for line in rest.split("\n\n")[0].splitlines()] if rest.strip() else []
    if not any(causes):
        causes = [line.strip() for line in rest.strip().split("\n \n")[0].splitlines()]
    sides = [side for line in causes if line and (side := _side(line, output, situation))]
    if not sides:
        return None
    for side in sides:  # what nothing fulfils for itself is the cause, and the rest follows from it
        if (wanted := side.requirement) and not usable(wanted, situation):
            return explain_missing(normalized(str(wanted)), side.asker, situation)
    if len({side.asker for side in sides}) == 1 and sides[0].asker.package is None:
        asked = sides[0].asker.requirement
        return ResolveError(
            f"`{asked.text if asked else sides[0].wanted}` cannot be had: each version of it needs "
            "something that is missing or does not fit, and pip does not say what",
            where=asked.where if asked else None,
            hint=f"`mlimage lock {situation.image} --resolver uv` says what",
        )
    return explain_conflict(_at_odds(sides, situation) or sides)


def _at_odds(sides: Sequence[Side], situation: Situation) -> list[Side]:
    """Those that cannot be had with another one; pip lists all that ask for the package."""

    def together(one: Side, other: Side) -> bool:
        both = one.requirement, other.requirement
        if both[0] is None or both[1] is None or name_of(one.wanted) != name_of(other.wanted):
            return True
        joined = Requirement(both[0].name)
        joined.specifier = both[0].specifier & both[1].specifier
        return bool(usable(joined, situation))

    return [side for side in sides if not all(together(side, other) for other in sides)]


def _side(line: str, output: str, situation: Situation) -> Side | None:
    user = _USER.match(line)
    if user:
        requirement = _same(_readable(user["text"]), situation.requirements)
        return Side.of_spec(requirement.text if requirement else user["text"], requirement)
    depends = _DEPENDS.match(line)
    if depends is None:
        return None
    package = depends["name"].partition("[")[0]
    name = canonicalize_name(package)
    if name == name_of(_readable(depends["text"])):  # with an extra it needs itself, which is no reason
        asked = next((item for item in situation.requirements if _has_extras(item.text, name)), None)
        if asked is not None:
            return Side.of_spec(asked.text, asked)
    return Side.of_package(
        package,
        depends["version"],
        _readable(depends["text"]),
        _origins(output, situation).get(name),
        via=_via(_chain_of(output, name), name, situation),
    )


def _origins(output: str, situation: Situation) -> Mapping[str, SpecRequirement]:
    """The requirement of the spec that brought each package, by what pip says when it collects it."""
    found: dict[str, SpecRequirement] = {}
    for match in _COLLECTING.finditer(output):
        requirement = _by_line(match["chain"] or "", situation)
        if requirement is not None:
            found.setdefault(name_of(match["text"]), requirement)
    for item in situation.requirements:
        found[name_of(item.text)] = item
    return found


def _asked_by(output: str, text: str, chain: str | None, situation: Situation) -> Asker:
    """Who asks for what was not found. Pip names the chain that led there, from the inside to the spec."""
    asker = (chain or "").partition("->")[0].strip()
    if asker and not _LINE.match(asker):
        package = _readable(asker)
        origin = _by_line(chain or "", situation) or _origins(output, situation).get(name_of(package))
        return Asker(requirement=origin, package=package, via=_via(chain or "", name_of(package), situation))
    return Asker(requirement=_by_line(asker, situation) or _same(text, situation.requirements))


def _chain_of(output: str, name: str) -> str:
    """What pip says of where a package comes from when it collects it."""
    return next(
        (each["chain"] or "" for each in _COLLECTING.finditer(output) if name_of(each["text"]) == name), ""
    )


def _via(chain: str, name: str, situation: Situation) -> tuple[str, ...]:
    """The packages from the one that the spec asks for to this one; pip names them the other way round."""
    names = [name_of(_readable(part)) for part in chain.split("->") if not _LINE.match(part.strip())]
    origin = _by_line(chain, situation)
    return tuple(dict.fromkeys([*((name_of(origin.text),) if origin else ()), *reversed(names), name]))


def _by_line(chain: str, situation: Situation) -> SpecRequirement | None:
    match = _LINE.search(chain)
    number = int(match["line"]) if match else 0
    return situation.requirements[number - 1] if 0 < number <= len(situation.requirements) else None


def _same(text: str, requirements: Sequence[SpecRequirement]) -> SpecRequirement | None:
    """The requirement of the spec that pip means; it drops extras and markers in some messages."""
    wanted = _bare(text)
    return next((item for item in requirements if _bare(item.text) == wanted), None)


def _has_extras(text: str, name: str) -> bool:
    requirement = Requirement(text)
    return canonicalize_name(requirement.name) == name and bool(requirement.extras)


def _bare(text: str) -> tuple[str, str]:
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return (text, "")
    return (canonicalize_name(requirement.name), str(requirement.specifier))


def _readable(text: str) -> str:
    """A requirement from a report of conflicts, where pip writes `a<2 and >=1`."""
    joined = text.replace(" and ", ",") if re.search(r"\d\S* and [<>=!~]", text) else text
    try:
        return normalized(joined)
    except InvalidRequirement:
        return text
