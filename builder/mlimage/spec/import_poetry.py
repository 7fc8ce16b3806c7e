"""Import of what poetry has of its own in a `pyproject.toml`: constraints, groups, sources."""

import re
from typing import Any

from packaging.version import InvalidVersion, Version

from mlimage.spec.collected import Collected
from mlimage.spec.import_indexes import pytorch_wheel
from mlimage.spec.tables import entries_of, list_of, table_of

PLACES = frozenset({"path", "git", "url", "file", "workspace"})
"""Keys of poetry's and uv's that say that a package is in no index."""


def add_poetry(poetry: dict[str, Any], collected: Collected, *, besides_project: bool) -> None:
    """Take what `[tool.poetry]` says.

    Args:
        poetry: the table.
        collected: takes it.
        besides_project: `[project]` has the dependencies, and poetry only says where they come from.
    """
    sources = {
        str(source.get("name")): str(source.get("url", "")) for source in entries_of(poetry.get("source"))
    }
    for name, value in table_of(poetry, "dependencies").items():
        if name == "python":
            _python(value, collected)
        elif not besides_project:
            for entry in _entries(value):
                _package(name, entry, collected, sources)
        else:
            for entry in _entries(value):
                _source(name, entry, collected, sources)
    groups = {**table_of(poetry, "group")}
    if table_of(poetry, "dev-dependencies"):
        groups.setdefault("dev", {"dependencies": table_of(poetry, "dev-dependencies")})
    for group, table in groups.items():
        names = table_of({"group": table}, "group", "dependencies")
        collected.leave_out(f"the group {group} ({', '.join(names)})", OPTIONAL)
    for source in entries_of(poetry.get("source")):
        if not any(
            entry.get("source") == source.get("name")
            for value in table_of(poetry, "dependencies").values()
            for entry in _entries(value)
        ):
            url = str(source.get("url", ""))
            if url:
                collected.add_index(
                    url,
                    f"source {source.get('name')} {url}",
                    default=source.get("priority") in {"primary", "default"} or bool(source.get("default")),
                )


OPTIONAL = "not in every installation; copy from it what the image needs"


def _entries(value: object) -> list[dict[str, Any]]:
    """The constraints of one package: one, or one for each environment."""
    if isinstance(value, str):
        return [{"version": value}]
    return [value] if isinstance(value, dict) else entries_of(value)


def _python(value: object, collected: Collected) -> None:
    versions = constraint(str(value))
    if versions is None:
        collected.leave_out(f"python = {value}", "its versions cannot be said in PEP 440; look at `python:`")
    collected.python = collected.python or versions or ""


def _package(name: str, entry: dict[str, Any], collected: Collected, sources: dict[str, str]) -> None:
    if _source(name, entry, collected, sources):
        if pytorch_wheel(str(entry.get("url", ""))) and not entry.get("optional"):
            collected.add(f"{name} @ {entry['url']}")
        return
    wanted = str(entry.get("version", "*"))
    versions = constraint(wanted)
    if versions is None:
        collected.change(
            f"{name} {wanted}",
            f"became `{name}` of any version: these cannot be said in PEP 440; write them by hand",
        )
        versions = ""
    extras = f"[{','.join(map(str, list_of(entry.get('extras'))))}]" if entry.get("extras") else ""
    markers = [*([f"({entry['markers']})"] if entry.get("markers") else []), *_environments(entry)]
    only = markers[0][1:-1] if len(markers) == 1 and entry.get("markers") else " and ".join(markers)
    requirement = f"{name}{extras}{versions}" + (f"; {only}" if markers else "")
    if entry.get("optional"):
        collected.leave_out(requirement, "optional; add it if the image needs it")
    else:
        collected.add(requirement)


def _source(name: str, entry: dict[str, Any], collected: Collected, sources: dict[str, str]) -> bool:
    """Where a package comes from; tells whether that is no index."""
    place = PLACES & entry.keys()
    if pytorch_wheel(str(entry.get("url", ""))):
        return True
    if place:
        collected.skip(name, f"{name} = {entry[min(place)]}", min(place))
        return True
    source = entry.get("source")
    if source in sources:
        collected.bind(str(source), sources[str(source)], name)
    elif source:
        collected.leave_out(
            f"{name}: source {source}",
            "no source of that name is there; name the index and its packages under `indexes:`",
        )
    return False


def _environments(entry: dict[str, Any]) -> list[str]:
    """Poetry's `python` and `platform` of a package as markers."""
    found = []
    versions = constraint(str(entry.get("python", "")))
    for part in (versions or "").split(","):
        match = re.fullmatch(r"(==|!=|>=|<=|>|<|~=)(.+)", part)
        if match:
            # `python_version` has two numbers, so that `> "3.9"` of it would leave out 3.9.1.
            found.append(f'python_full_version {match[1]} "{match[2]}"')
    if entry.get("platform"):
        found.append(f'sys_platform == "{entry["platform"]}"')
    return found


def constraint(text: str) -> str | None:
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
    match = re.fullmatch(r"(\^|~=|~|===?|!=|>=|<=|>|<|=)?\s*v?([0-9][^\s*]*?|)(\.?\*)?", part)
    if not match:
        return None
    operator, number, star = match.group(1) or "", match.group(2), match.group(3)
    if not number:
        return "" if star and operator in {"", "=="} else None
    try:
        release = Version(number).release
    except InvalidVersion:
        return None
    if operator in {"", "=", "==", "==="}:
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
