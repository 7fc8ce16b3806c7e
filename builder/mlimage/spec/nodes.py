"""A YAML document as values that know their places, and nothing of what they are for."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

Path = tuple[str | int, ...]
"""The way from the top of a document to a node: keys and numbers of items."""

KEY: Final = "[key]"
"""The last step of a path that means a key itself; pydantic's own word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Odd:
    """A scalar that YAML 1.1 reads as something that no key of a spec takes; `what` names it for people."""

    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """One value; `plain` says that it stands without quotes, `text` is what stands there."""

    line: int
    column: int
    text: str
    plain: bool
    value: str | int | float | bool | Odd | None
    size: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """A list; `size` counts all values in it, those of aliases each time."""

    line: int
    column: int
    items: tuple["Node", ...]
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """Keys and values in the order of the file; no key stands twice."""

    line: int
    column: int
    entries: tuple[tuple[Scalar, "Node"], ...]
    size: int

    def key(self, text: str) -> Scalar | None:
        """The key itself, for its place."""
        return next((key for key, _ in self.entries if key.text == text), None)

    def get(self, text: str) -> "Node | None":
        """The value of a key."""
        return next((value for key, value in self.entries if key.text == text), None)


Node = Scalar | Sequence | Mapping


def plain(node: Node) -> object:
    """The document as dictionaries, tuples and scalars."""
    if isinstance(node, Mapping):
        return {key.text: plain(value) for key, value in node.entries}
    if isinstance(node, Sequence):
        return tuple(plain(item) for item in node.items)
    return node.value


def at(node: Node, path: Path) -> Node | None:
    """The node at a path; None when nothing is there."""
    for step in path:
        below: Node | None = None
        if isinstance(node, Mapping) and isinstance(step, str):
            below = node.get(step)
        elif isinstance(node, Sequence) and isinstance(step, int) and step < len(node.items):
            below = node.items[step]
        if below is None:
            return None
        node = below
    return node


def text_at(node: Node, path: Path) -> str | None:
    """The text at a path; None when nothing, or something else, is there."""
    found = at(node, path)
    return found.value if isinstance(found, Scalar) and isinstance(found.value, str) else None


def scalars(node: Node, path: Path = ()) -> Iterator[tuple[Path, Scalar]]:
    """Every scalar value with its path, in the order of the file; keys are not among them."""
    if isinstance(node, Mapping):
        for key, value in node.entries:
            yield from scalars(value, (*path, key.text))
    elif isinstance(node, Sequence):
        for number, item in enumerate(node.items):
            yield from scalars(item, (*path, number))
    else:
        yield path, node


def texts(node: Node) -> Iterator[str]:
    """Every text in the document, keys among them."""
    if isinstance(node, Mapping):
        for key, value in node.entries:
            yield key.text
            yield from texts(value)
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from texts(item)
    else:
        yield node.text


def dotted(path: Path) -> str:
    """A path for people: `train.command`; numbers of items are left out, the place says them."""
    return ".".join(step for step in path if isinstance(step, str))
