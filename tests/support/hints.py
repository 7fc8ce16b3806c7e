"""What the texts of mlimage's own source tell people to type or to write, between backticks."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from support.machine import ROOT

PLACEHOLDER: Final = "\N{WHITE SQUARE}"
"""What stands where a text has a value that is known at run time only."""

_SOURCE: Final = ROOT / "builder" / "mlimage"
SOURCES: Final = tuple(sorted(_SOURCE.rglob("*.py")))
"""All modules."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What stands between backticks, and where: `lock/explain.py:48`."""

    text: str
    place: str


def told() -> Iterator[Told]:
    """Everything between backticks in texts of the source, docstrings left out."""
    for path in SOURCES:
        for text, line in texts_of(path.read_text()):
            for found in re.findall(r"`([^`]+)`", text):
                yield Told(text=found, place=f"{path.relative_to(_SOURCE)}:{line}")


def hints() -> Iterator[Told]:
    """The whole texts that are given as `hint=`."""
    for path in SOURCES:
        tree = ast.parse(path.read_text())
        constants = dict(_constants(tree))
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg == "hint":
                place = f"{path.relative_to(_SOURCE)}:{node.value.lineno}"
                for text, _ in _texts(node.value, constants):
                    yield Told(text=text, place=place)


def texts_of(source: str) -> Iterator[tuple[str, int]]:
    """The texts of a module that are values, whole where they are joined by `+` or between braces."""
    tree = ast.parse(source)
    yield from _texts(tree, dict(_constants(tree)))


def _texts(tree: ast.AST, constants: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    inside: set[int] = set()
    for node in ast.walk(tree):
        if id(node) in inside:
            continue
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            inside.add(id(node.value))
            continue
        text = _text(node, constants)
        if text is not None and isinstance(node, ast.expr):
            inside.update(id(below) for below in ast.walk(node))
            yield text, node.lineno


def _constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        match node:
            case (
                ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=str(text)))
                | ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(text)))
            ):
                yield name, text


def _text(node: ast.AST, constants: Mapping[str, str]) -> str | None:
    """The text of an expression that is one; what is not known stands in it as a placeholder."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(_part(value, constants) for value in values)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            parts = _text(left, constants), _text(right, constants)
            if parts == (None, None):
                return None
            return "".join(PLACEHOLDER if part is None else part for part in parts)
    return None


def _part(value: ast.expr, constants: Mapping[str, str]) -> str:
    match value:
        case ast.Constant(value=str(text)):
            return text
        case ast.FormattedValue(value=ast.Name(id=name)) if name in constants:
            return constants[name]
    return PLACEHOLDER
