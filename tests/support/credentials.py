"""URLs with credentials that nobody may see, and every place of a spec where one may be written."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from hypothesis import strategies as st

from mlimage.spec.schema import json_schema

NEEDLE: Final = "Zq7Xw9Kv"
"""Stands in each of these passwords."""
KEY: Final = "<key>"
"""The last step of a place that is a key itself."""

_NASTY: Final = "@/#?: \n\t\"'`\\%$&;{}[]<>()^|~+=,!*aA1\x00\x1b\u00e9\u65e5\U0001f4a5"
_USERS: Final = "bobBOB09_%+~!'\"`\\$&;\u00e9"


def secret_urls(nasty: str = _NASTY, *, users: str = _USERS) -> st.SearchStrategy[str]:
    """URLs with a password of these characters around the needle, or with the needle for a token."""
    names = st.text(st.sampled_from(users), max_size=8)
    signs = st.text(st.sampled_from(nasty), max_size=6)
    passwords = st.builds(lambda before, after: f"{before}{NEEDLE}{after}", signs, signs)
    whose = st.one_of(
        st.builds(lambda user, password: f"{user}:{password}", names, passwords), st.just(NEEDLE)
    )
    return st.builds(
        lambda scheme, who, rest: f"{scheme}://{who}@{rest}",
        st.sampled_from(["https", "http", "git+https"]),
        whose,
        st.sampled_from(
            ["acme.io", "acme.io/simple", "pypi.acme.io:8080/a/b?c=d#e", "h", "[::1]:80/x.whl", "é.de/"]
        ),
    )


def places_of_text() -> tuple[tuple[str | int, ...], ...]:
    """Every place of a spec where one value stands, or a key of the user's own choice."""
    schema = json_schema()
    return tuple(dict.fromkeys(_places(schema, schema["$defs"], ())))


def _places(node: Mapping[str, Any], parts: Mapping[str, Any], path: tuple[str | int, ...]) -> Iterator[Any]:
    if "$ref" in node:
        node = parts[node["$ref"].rpartition("/")[2]]
    for each in (*node.get("anyOf", ()), *node.get("oneOf", ())):
        yield from _places(each, parts, path)
    if node.get("type") in {"string", "integer", "number", "boolean"} or "enum" in node or "const" in node:
        yield path
    for key, below in node.get("properties", {}).items():
        yield from _places(below, parts, (*path, key))
    if "items" in node:
        yield from _places(node["items"], parts, (*path, 0))
    chosen = [*node.get("patternProperties", {}).values(), node.get("additionalProperties")]
    for below in chosen:
        if isinstance(below, Mapping):
            yield (*path, KEY)
            yield from _places(below, parts, (*path, "x"))


def with_text(place: tuple[str | int, ...], text: str) -> Any:
    """The smallest document that has the text at a place."""
    if not place:
        return text
    first, *rest = place
    if first == KEY:
        return {text: "x"}
    below = with_text(tuple(rest), text)
    return [below] if isinstance(first, int) else {first: below}
