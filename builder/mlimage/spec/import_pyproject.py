"""Import of a `pyproject.toml`: PEP 621's dependencies, else poetry's."""

import re
import tomllib
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from mlimage.errors import UsageError
from mlimage.spec.imported import Collected, Imported, read_text


def from_pyproject(file: Path) -> Imported:
    """Read a `pyproject.toml`.

    Raises:
        UsageError: the file cannot be read, is no TOML, or says nothing of dependencies.
    """
    text = read_text(file)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"not TOML: {str(error)[:1].lower()}{str(error)[1:]}", where=str(file)) from error
    collected = Collected()
    project, poetry = _table(document, "project"), _table(document, "tool", "poetry")
    if not project and not poetry:
        raise UsageError(
            f"`{file}` has neither `[project]` nor `[tool.poetry]`",
            hint="import a requirements file, or a virtual environment",
        )
    _project(project, collected)
    if not project.get("dependencies"):
        _poetry(poetry, collected)
    return collected.done()


def _table(document: dict[str, Any], *names: str) -> dict[str, Any]:
    found: Any = document
    for name in names:
        found = found.get(name, {}) if isinstance(found, dict) else {}
    return found if isinstance(found, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _project(project: dict[str, Any], collected: Collected) -> None:
    collected.python = str(project.get("requires-python", ""))
    for text in _list(project.get("dependencies")):
        collected.add(str(text))
    if "dependencies" in _list(project.get("dynamic")):
        collected.leave_out("dynamic dependencies", "only the project's build backend knows them")
    for extra in _table(project, "optional-dependencies"):
        collected.leave_out(f"the extra `{extra}`", "optional; copy from it what the image needs")


def _poetry(poetry: dict[str, Any], collected: Collected) -> None:
    for name, value in _table(poetry, "dependencies").items():
        if name == "python":
            versions = _constraint(str(value))
            if versions is None:
                collected.leave_out(f"python = {value}", "its versions cannot be said in PEP 440")
            collected.python = collected.python or versions or ""
        else:
            _poetry_package(name, value, collected)
    for group in _table(poetry, "group"):
        collected.leave_out(f"the group `{group}`", "optional; copy from it what the image needs")


def _poetry_package(name: str, value: object, collected: Collected) -> None:
    entry = {"version": value} if isinstance(value, str) else value
    if not isinstance(entry, dict):
        collected.leave_out(name, "has several constraints, one for each environment")
        return
    if {"path", "git", "url", "file"} & entry.keys():
        collected.leave_out(name, "names a place, which cannot be locked")
        return
    if entry.get("optional"):
        collected.leave_out(name, "optional; add it if the image needs it")
        return
    if {"markers", "python", "platform"} & entry.keys() - {"markers"}:
        collected.leave_out(name, "is for some pythons or platforms only; write a marker")
        return
    versions = _constraint(str(entry.get("version", "*")))
    if versions is None:
        collected.leave_out(f"{name} {entry.get('version')}", "its versions cannot be said in PEP 440")
        return
    extras = f"[{','.join(map(str, _list(entry.get('extras'))))}]" if entry.get("extras") else ""
    marker = f"; {entry['markers']}" if entry.get("markers") else ""
    collected.add(f"{name}{extras}{versions}{marker}")
    if entry.get("source"):
        collected.leave_out(
            f"{name}: source `{entry['source']}`", "name the index and its packages under `indexes:`"
        )


def _constraint(text: str) -> str | None:
    """Poetry's constraint as PEP 440 writes it; None when it cannot be written so."""
    if "|" in text:
        return None
    parts = [
        part.strip()
        for part in re.split(r"[,\s]+(?=[<>=!~^*0-9])", re.sub(r"([<>=!~^])\s+", r"\1", text.strip()))
    ]
    written = [_part(part) for part in parts if part]
    if any(part is None for part in written):
        return None
    return ",".join(part for part in written if part)


def _part(part: str) -> str | None:
    match = re.fullmatch(r"(\^|~=|~|==|!=|>=|<=|>|<|=)?\s*v?([0-9][^\s*]*?|)(\.?\*)?", part)
    if not match:
        return None
    operator, number, star = match.group(1) or "", match.group(2), match.group(3)
    if not number:
        return "" if star and operator in {"", "=="} else None
    try:
        release = Version(number).release
    except InvalidVersion:
        return None
    if operator in {"", "=", "=="}:
        return f"=={number}.*" if star else f"=={number}"
    if operator == "^":
        # The first number that is not zero may not change; when all are zero, the last may not.
        kept = next((n for n, one in enumerate(release) if one), len(release) - 1)
        return f">={number},<{_next(release[: kept + 1])}"
    if operator == "~":
        return f">={number},<{_next(release[:2])}"
    return f"{operator}{number}.*" if star else f"{operator}{number}"


def _next(release: tuple[int, ...]) -> str:
    return ".".join(map(str, (*release[:-1], release[-1] + 1)))
