"""What a word without quotes means in YAML 1.1, and how to say it to a person who meant something else."""

import re
from typing import Any, Final

from yaml import SafeLoader

from mlimage.spec.nodes import Odd, Scalar

_RESOLVERS: Final[dict[str, list[tuple[str, re.Pattern[str]]]]] = SafeLoader.yaml_implicit_resolvers
_TRUE: Final = frozenset({"yes", "true", "on"})
_DECIMAL: Final = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
_FLOAT: Final = re.compile(r"[-+]?[0-9]+\.[0-9]*([eE][-+][0-9]+)?\Z|[-+]?\.[0-9]+([eE][-+][0-9]+)?\Z")
_MOST_DIGITS: Final = 40


def meaning(text: str) -> Any:
    """The value of a plain scalar: text, whole number, number, boolean, None, or something `Odd`."""
    match _tag(text):
        case "null":
            return None
        case "bool":
            return text.lower() in _TRUE
        case "timestamp":
            return Odd(what="a date")
        case "int":
            return _whole(text)
        case "float":
            if _FLOAT.match(text) and len(text) <= _MOST_DIGITS:
                return float(text)
            return Odd(what="a number of base 60" if ":" in text else "a number")
        case _:
            return text


def _tag(text: str) -> str:
    for tag, pattern in _RESOLVERS.get(text[:1], []):
        if pattern.match(text):
            return tag.removeprefix("tag:yaml.org,2002:")
    return "str"


def _whole(text: str) -> int | Odd:
    if len(text) > _MOST_DIGITS:
        return Odd(what="a number")
    if _DECIMAL.match(text):
        return int(text)
    digits = text.replace("_", "").lstrip("+-")
    sign = -1 if text.startswith("-") else 1
    if ":" in digits:
        value = 0
        for part in digits.split(":"):
            value = value * 60 + int(part)
        return Odd(what=f"the number {sign * value} (base 60)")
    for prefix, base, name in (("0x", 16, "hexadecimal"), ("0b", 2, "binary"), ("0", 8, "octal")):
        if digits.startswith(prefix) and digits != "0":
            return Odd(what=f"the number {sign * int(digits[len(prefix) :] or '0', base)} ({name})")
    return Odd(what=f"the number {sign * int(digits)}")


def describe(scalar: Scalar) -> str:
    """What YAML takes this scalar for, with its article."""
    match scalar.value:
        case bool():
            return f"the boolean {str(scalar.value).lower()}"
        case int():
            return "a number"
        case float():
            return f"the number {scalar.value!r}"
        case None:
            return "nothing"
        case Odd():
            return scalar.value.what
        case _:
            return "text"


def quoted(text: str) -> str:
    """The text in quotes that YAML reads as this text."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
