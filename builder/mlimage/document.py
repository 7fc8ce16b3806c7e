"""JSON documents of others, read once into values of known types; what is wrong is told by its path in them.

They are read as Go, in which container tools are written, reads JSON into types: null is the same as absent,
unknown keys do not count, of a key that stands twice the last one counts, half of a surrogate pair is U+FFFD.
Two things are stricter: a key must be written as it is specified, and a list of texts has no null.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from mlimage.digest import Digest

MAX_DEPTH: Final = 100
"""Lists and objects in each other; documents of images have 5."""
_LARGEST: Final = 2**63 - 1
"""Of a size, as of Go's `int64`."""
_DIGITS: Final = 40
"""A number with more of them is read as a float, so that nobody computes with thousands."""
_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_SHOWN: Final = 80


class DocumentError(ValueError):
    """A document is not what it should be; the message says what of it, and how."""


@dataclass(frozen=True, slots=True)
class Node:
    """A value in a document, None where there is none, and its path: empty for all of the document."""

    value: Any
    path: str = ""

    @property
    def there(self) -> bool:
        """Whether there is a value."""
        return self.value is not None

    def need(self) -> "Node":
        """The value itself; raises `DocumentError` where there is none."""
        if not self.there:
            raise self.wrong("missing")
        return self

    def get(self, key: str) -> "Node":
        """The value of a key of an object; of nothing, nothing.

        Raises:
            DocumentError: it is no object.
        """
        path = f"{self.path}.{key}".lstrip(".") if _PLAIN.match(key) else f"{self.path}[{json.dumps(key)}]"
        return Node(self._of(dict, "an object", {}).get(key), path)

    def items(self) -> "tuple[Node, ...]":
        """The values of a list; those of nothing are none.

        Raises:
            DocumentError: it is no list.
        """
        found = self._of(list, "a list", [])
        return tuple(Node(each, f"{self.path}[{number}]") for number, each in enumerate(found))

    def texts(self) -> tuple[str, ...]:
        """A list of texts. Raises as `items` and `text` do."""
        return tuple(each.text() for each in self.items())

    def keys(self) -> tuple[str, ...]:
        """The keys of an object; those of nothing are none. Raises as `get` and `text` do."""
        return tuple(Node(key, self.path).text() for key in self._of(dict, "an object", {}))

    def table(self) -> dict[str, str]:
        """An object whose values are texts; those that are null are not there.

        Raises:
            DocumentError: it is none.
        """
        values = {key: self.get(key) for key in self.keys()}
        return {key: value.text() for key, value in values.items() if value.there}

    def text(self, default: str | None = None) -> str:
        """A text; of nothing, the default where there is one.

        Raises:
            DocumentError: it is none, or has a NUL, which neither variables nor names of files can have.
        """
        found: str = self._of(str, "text", default)
        if "\0" in found:
            raise DocumentError(f"{self._named} has a NUL character")
        return found

    def size(self) -> int:
        """A number of bytes.

        Raises:
            DocumentError: it is none, or larger than anything.
        """
        found: int = self._of(int, "a whole number", None)
        if not 0 <= found <= _LARGEST:
            raise DocumentError(f"{self._named} is out of range: {str(found)[:_SHOWN]}")
        return found

    def digest(self) -> Digest:
        """A digest of SHA-256. Raises `DocumentError` where it is none."""
        found = self.text()
        try:
            return Digest(found)
        except ValueError:
            raise DocumentError(f"{self._named} is not a SHA-256 digest: {found[:_SHOWN]!r}") from None

    def wrong(self, what: str) -> DocumentError:
        """The error that the value is something else: `what` goes on after `is`."""
        return DocumentError(f"{self._named} is {what}")

    @property
    def _named(self) -> str:
        return f"`{self.path[:_SHOWN]}`" if self.path else "the document"

    def _of(self, kind: type, name: str, default: Any) -> Any:
        if self.value is None:
            if default is None:
                raise self.wrong("missing")
            return default
        if type(self.value) is not kind:
            raise self.wrong(f"{_kind(self.value)}, not {name}")
        return self.value


def read_document(content: bytes) -> Node:
    """A JSON document.

    Raises:
        DocumentError: it is none, or its lists and objects lie deeper in each other than any.
    """
    try:
        text = content.decode()
        value = json.loads(text, parse_int=_whole, parse_float=_float, parse_constant=_no_number)
    except UnicodeDecodeError:
        raise DocumentError("the document is not JSON: it is not UTF-8") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise DocumentError(f"the document is not JSON: {error.msg} at {place}") from None
    except RecursionError:
        raise _too_deep() from None
    if value is None:
        raise DocumentError("the document is null")
    _check_depth(value)
    return Node(_mended(value) if _SURROGATE.search(content) else value)


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for each in level for inner in _inside(each) if isinstance(inner, dict | list)]
        if not level:
            return
    raise _too_deep()


def _inside(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _too_deep() -> DocumentError:
    return DocumentError(f"the document is nested more than {MAX_DEPTH} levels deep")


def _mended(value: Any) -> Any:
    """Without halves of surrogate pairs, which are no text; it is not deep."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_mended(each) for each in value]
    if isinstance(value, dict):
        return {_mended(key): _mended(each) for key, each in value.items()}
    return value


def _whole(text: str) -> int | float:
    return int(text) if len(text) <= _DIGITS else _float(text)


def _float(text: str) -> float:
    found = float(text)
    if math.isinf(found):
        raise DocumentError("the document has a number that is out of range")
    return found


def _no_number(text: str) -> NoReturn:
    raise DocumentError(f"the document is not JSON: it has the number {text}")


def _kind(value: object) -> str:
    match value:
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "an object"
