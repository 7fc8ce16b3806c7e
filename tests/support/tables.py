"""Tables that tests fill and that stand at the end of a run: what was measured belongs into its log."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

Row = Callable[..., None]


@pytest.fixture
def row(record_property: Callable[[str, object], None]) -> Row:
    """`row("title", "cell", "cell")` adds a row to the table with that title."""
    return lambda title, *cells: record_property(f"table: {title}", [str(cell) for cell in cells])


def pytest_terminal_summary(terminalreporter: Any) -> None:
    tables: dict[str, list[Sequence[str]]] = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, ()):
            for name, cells in getattr(report, "user_properties", ()):
                if name.startswith("table: "):
                    tables.setdefault(name.removeprefix("table: "), []).append(cells)
    for title, rows in tables.items():
        terminalreporter.section(title)
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for cells in rows:
            line = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
            terminalreporter.line(line.rstrip())
