"""Why there is no solution, in the user's words: what pip says, held against the spec and the index."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from mlimage.errors import ResolveError
from mlimage.lock.check import normalized
from mlimage.lock.unfulfilled import Asker, Situation, explain_missing
from mlimage.spec.requirements import SpecRequirement

_NOT_FOUND: Final = re.compile(
    r"ERROR: Could not find a version that satisfies the requirement (?P<text>.+?)"
    r"(?: \(from (?!versions:)(?P<chain>[^()]*(?:\([^()]*\)[^()]*)*)\))? \(from versions: "
)
_COLLECTING: Final = re.compile(r"^\s*Collecting (?P<text>.+?)(?: \(from (?P<chain>.+)\))?\s*$", re.MULTILINE)
_LINE: Final = re.compile(r"-r \S*spec\.in \(line (?P<line>\d+)\)")
_USER: Final = re.compile(r"The user requested (?!\(constraint\))(?P<text>.+)")
_DEPENDS: Final = re.compile(r"(?P<name>\S+) (?P<version>\S+) depends on (?P<text>.+)")


def explain(output: str, situation: Situation) -> ResolveError:
    """The error for what pip-compile wrote when it failed."""
    conflict = _conflict(output, situation)
    if conflict is not None:
        return conflict
    missing = _NOT_FOUND.search(output)
    if missing is not None:
        return explain_missing(
            missing["text"], _asked_by(output, missing["text"], missing["chain"], situation), situation
        )
    if "resolution-too-deep" in output or "ResolutionTooDeep" in output:
        return ResolveError(
            "pip gave up: too many versions could fit together, and it tried very many of them",
            hint="give lower bounds to the packages that you ask for, as `numpy>=2`",
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
    asked = [side for side in sides if side.asker.requirement is not None]
    names = sorted({side.about for side in sides})
    head = f"these cannot be had together ({', '.join(names)}):"
    lines = [f"  {side.text}" + (f"  ({side.asker.where})" if side.asker.where else "") for side in sides]
    return ResolveError(
        "\n".join([head, *dict.fromkeys(lines)]),
        where=asked[0].asker.where if asked else None,
        hint="loosen or drop one of them",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    text: str
    about: str
    asker: Asker


def _side(line: str, output: str, situation: Situation) -> _Side | None:
    user = _USER.match(line)
    if user:
        requirement = _same(user["text"], situation.requirements)
        text = requirement.text if requirement else user["text"]
        return _Side(text=f"you ask for `{text}`", about=_name(text), asker=Asker(requirement=requirement))
    depends = _DEPENDS.match(line)
    if depends is None:
        return None
    package = depends["name"].partition("[")[0]
    origin = _origins(output, situation).get(canonicalize_name(package))
    wanted = _readable(depends["text"])
    text = f"`{package} {depends['version']}` needs `{wanted}`"
    if origin is not None and _name(origin.text) != canonicalize_name(package):
        text += f", and comes with `{origin.text}`"
    elif origin is not None:
        text += f", and you ask for `{origin.text}`"
    return _Side(text=text, about=_name(wanted), asker=Asker(requirement=origin))


def _origins(output: str, situation: Situation) -> Mapping[str, SpecRequirement]:
    """The requirement of the spec that brought each package, by what pip says when it collects it."""
    found: dict[str, SpecRequirement] = {}
    for match in _COLLECTING.finditer(output):
        requirement = _by_line(match["chain"] or "", situation)
        if requirement is not None:
            found.setdefault(_name(match["text"]), requirement)
    for item in situation.requirements:
        found[_name(item.text)] = item
    return found


def _asked_by(output: str, text: str, chain: str | None, situation: Situation) -> Asker:
    """Who asks for what was not found. Pip names the chain that led there, from the inside to the spec."""
    asker = (chain or "").partition("->")[0].strip()
    if asker and not _LINE.match(asker):
        package = _readable(asker)
        origin = _by_line(chain or "", situation) or _origins(output, situation).get(_name(package))
        return Asker(requirement=origin, package=package)
    return Asker(requirement=_by_line(asker, situation) or _same(text, situation.requirements))


def _by_line(chain: str, situation: Situation) -> SpecRequirement | None:
    match = _LINE.search(chain)
    number = int(match["line"]) if match else 0
    return situation.requirements[number - 1] if 0 < number <= len(situation.requirements) else None


def _same(text: str, requirements: Sequence[SpecRequirement]) -> SpecRequirement | None:
    """The requirement of the spec that pip means; it drops extras and markers in some messages."""
    wanted = _bare(text)
    return next((item for item in requirements if _bare(item.text) == wanted), None)


def _bare(text: str) -> tuple[str, str]:
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return (text, "")
    return (canonicalize_name(requirement.name), str(requirement.specifier))


def _name(text: str) -> str:
    return _bare(text)[0]


def _readable(text: str) -> str:
    """A requirement from a report of conflicts, where pip writes `a<2 and >=1`."""
    joined = text.replace(" and ", ",") if re.search(r"\d\S* and [<>=!~]", text) else text
    try:
        return normalized(joined)
    except InvalidRequirement:
        return text
