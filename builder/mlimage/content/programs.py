"""Whether two sources of Python do the same, though their bytes differ."""

import ast
from typing import Final

_NAMESPACES: Final = frozenset({"pkgutil", "pkg_resources"})


def same_program(first: bytes, second: bytes) -> bool:
    """Whether they differ in comments and layout alone, or neither does anything.

    What only declares a namespace does nothing: in one folder of packages there is nothing to be joined.
    """
    one, other = _parsed(first), _parsed(second)
    if one is None or other is None:
        return False
    try:
        return (_is_idle(one.body) and _is_idle(other.body)) or ast.dump(one) == ast.dump(other)
    except RecursionError:  # what can be read is not always written: a sum of a thousand terms
        return False


def _parsed(source: bytes) -> ast.Module | None:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _is_idle(body: list[ast.stmt]) -> bool:
    return all(map(_does_nothing, body))


def _does_nothing(node: ast.stmt) -> bool:
    match node:
        case ast.Expr(value=ast.Constant()):  # a docstring
            return True
        case ast.Pass() | ast.ImportFrom(module="__future__" | "pkgutil"):
            return True
        case ast.Import(names=names):
            return all(name.name in _NAMESPACES for name in names)
        case ast.Try(body=body, handlers=handlers, orelse=[], finalbody=[]):
            return _is_idle(body) and all(_is_idle(handler.body) for handler in handlers)
        case ast.Assign(targets=[ast.Name(id="__path__")], value=ast.Call(func=func)):
            return ast.unparse(func).endswith("extend_path")
        case ast.Expr(value=ast.Call(func=func)):
            return ast.unparse(func).endswith("declare_namespace")
    return False
