"""The house: imports go one way, and each door has one key."""

import ast
import re
import sys
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent.parent / "builder" / "mlimage"

FOUNDATION = {
    "errors", "digest", "document", "platforms", "signals", "process", "redact", "bounds", "trees",
    "regular", "atomic", "inventory", "progress", "parallel", "resources", "cache", "refusals",
}  # fmt: skip

ORDER = (
    {"runtime"},
    FOUNDATION,
    {"pipconfig", "aptconfig"},
    {"mirrors"},
    {"fetch"},
    {"spec"},
    {"content"},
    {"lock"},
    {"plan"},
    {"audit"},
    {"render"},
    {"oci"},
    {"daemon"},
    {"engines"},
    {"release"},
    {"host"},
    {"verify"},
    {"cli"},
    {"__main__"},
)
"""A part imports its own modules and those of the lines above it; the version in `mlimage` is everybody's."""

KEYS = {
    "typer": {"cli"},
    "rich": {"cli"},
    "pydantic": {"spec"},
    "pydantic_core": {"spec"},
    "yaml": {"spec"},
    # The docker SDK raises what `requests` raises.
    "requests": {"fetch", "daemon"},
    "docker": {"daemon", "host"},
    "isal": {"oci", "content"},
    "jinja2": {"spec", "render"},
    "cryptography": {"release"},
    "cyclonedx": {"release"},
    "license_expression": {"release"},
    "packageurl": {"release"},
    # To name its classes; `test_one_door_to_processes` sees that it starts none.
    "subprocess": {"process", "host"},
}
"""Who may import what; what is not listed is everybody's."""


STARTS = {
    "process.py",
    # Inside the image and the sandbox, where nothing else of mlimage is: they become what they start.
    "runtime",
    "host/inside",
    "host/imports/inside",
}
"""Who may start a process."""


@cache
def _imports() -> dict[str, tuple[tuple[int, str], ...]]:
    """Dotted names of all modules of mlimage, each with the (line, dotted name) of what it imports."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(("mlimage", *(part for part in parts if part != "__init__")))
        lines: list[tuple[int, str]] = []
        for node in ast.walk(ast.parse(path.read_bytes(), str(path))):
            if isinstance(node, ast.Import):
                lines.extend((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}:{node.lineno}: a relative import"
                lines.append((node.lineno, node.module or ""))
                if node.module == "mlimage":
                    lines.extend((node.lineno, f"mlimage.{alias.name}") for alias in node.names)
        found[name] = tuple(lines)
    return found


def _part(name: str) -> str:
    """`spec` of `mlimage.spec.model`; empty for `mlimage` itself."""
    return name.split(".")[1] if "." in name else ""


def _modules() -> list[str]:
    return [name for name in _imports() if name != "mlimage"]


def _rank(part: str) -> int | None:
    return next((rank for rank, parts in enumerate(ORDER) if part in parts), None)


def test_every_part_has_its_place() -> None:
    parts = {_part(name) for name in _modules()}
    assert parts - set().union(*ORDER) == set()


@pytest.mark.parametrize("part", sorted(set().union(*ORDER)))
def test_imports_go_down_only(part: str) -> None:
    own = _rank(part)
    assert own is not None
    wrong = []
    for name in _modules():
        if _part(name) != part:
            continue
        for line, imported in _imports()[name]:
            other = _part(imported) if imported.partition(".")[0] == "mlimage" else ""
            rank = _rank(other)
            if (
                rank is not None
                and other != part
                and (rank > own or (rank == own and part not in FOUNDATION))
            ):
                wrong.append(f"{name}:{line} imports {imported}")
    assert wrong == []


def test_no_cycles_inside_a_part() -> None:
    """Among the imports that run when a module is loaded, so not those in functions or for types alone."""
    graph = {name: _loaded_with(name) for name in _imports()}
    state: dict[str, bool] = {}
    cycles: list[str] = []

    def visit(name: str, path: tuple[str, ...]) -> None:
        if state.get(name) is False:
            cycles.append(" -> ".join((*path[path.index(name) :], name)))
        if name in state:
            return
        state[name] = False
        for other in sorted(graph[name]):
            visit(other, (*path, name))
        state[name] = True

    for name in graph:
        visit(name, ())
    assert cycles == []


def _loaded_with(name: str) -> set[str]:
    path = PACKAGE.joinpath(*name.split(".")[1:])
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    loaded: set[str] = set()
    for node in ast.parse(source.read_bytes()).body:
        if isinstance(node, ast.Import):
            loaded |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            loaded |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return (loaded & set(_imports())) - {name, "mlimage"}


@pytest.mark.parametrize("foreign", KEYS)
def test_each_door_has_its_keys(foreign: str) -> None:
    wrong = [
        f"{name}:{line}"
        for name in _modules()
        if _part(name) not in KEYS[foreign]
        for line, imported in _imports()[name]
        if imported.partition(".")[0] == foreign
    ]
    assert wrong == []


def test_one_door_to_processes() -> None:
    """`process` starts processes and nobody else does, by whatever function of the standard library."""
    starts = re.compile(
        r"\bsubprocess\.(?:run|Popen|call|check_\w+|getoutput|getstatusoutput)\(|\bos\.(?:system|popen|spawn\w*|posix_spawn\w*|fork\w*|exec\w+)\("
    )
    wrong = [
        f"{path.relative_to(PACKAGE)}:{number}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if not any(path.is_relative_to(PACKAGE / place) for place in STARTS)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if starts.search(line)
    ]
    assert wrong == []


def test_runtime_needs_the_standard_library_alone() -> None:
    """Its modules lie beside each other in the image, so they also import each other by their bare names."""
    own = {path.stem for path in (PACKAGE / "runtime").glob("*.py")}
    wrong = [
        f"{name}:{line} imports {imported}"
        for name in _modules()
        if _part(name) == "runtime"
        for line, imported in _imports()[name]
        if imported.partition(".")[0] not in sys.stdlib_module_names | own | {"__future__"}
        and not imported.startswith("mlimage.runtime")
    ]
    assert wrong == []


def test_modules_are_small() -> None:
    """A module is about one idea; what grows beyond this has two."""
    long = {
        str(path.relative_to(PACKAGE)): lines
        for path in PACKAGE.rglob("*.py")
        if (lines := len(path.read_text().splitlines())) > 450
    }
    assert long == {}


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if path.read_text().strip() and ast.get_docstring(ast.parse(path.read_text())) is None
    ]
    assert silent == []
