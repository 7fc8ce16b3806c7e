"""Parts of a TOML document of somebody else's, where anything may be of any kind."""

from typing import Any


def table_of(document: dict[str, Any], *names: str) -> dict[str, Any]:
    """The table at these names; an empty one where something else is."""
    found: Any = document
    for name in names:
        found = found.get(name, {}) if isinstance(found, dict) else {}
    return found if isinstance(found, dict) else {}


def list_of(value: object) -> list[Any]:
    """The list; an empty one where something else is."""
    return value if isinstance(value, list) else []


def entries_of(value: object) -> list[dict[str, Any]]:
    """The tables of an array of tables, or the one table."""
    return [value] if isinstance(value, dict) else [one for one in list_of(value) if isinstance(one, dict)]
