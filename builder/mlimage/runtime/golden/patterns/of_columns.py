"""Something was done to each column for itself, or to some of them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlimage.runtime.golden.patterns.line import ENOUGH, Line, added, line_of, mean, moved, named
from mlimage.runtime.golden.patterns.table import alike, finite

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlimage.runtime.golden.patterns.table import Table

_FEW = 4
"""Columns that are named one by one."""


def columns(table: Table) -> str | None:
    """Columns that are moved, that are moved and scaled, or that alone differ."""
    if table.width == 1:
        return None
    both = list(zip(zip(*table.ours), zip(*table.recorded)))
    pairs = [finite(*each) for each in both]
    allowed = table.allowed
    differing = [at for at, each in enumerate(both) if not all(map(alike, *each, allowed))]
    offsets = {at: Line(1.0, mean([a - b for a, b in pairs[at]])) for at in differing}
    lines = {at: line_of(pairs[at]) or offsets[at] for at in differing}
    several = len(differing) > 1
    dead = {at for at in differing if len(set(both[at][0])) == 1}
    enough = len(table.ours) >= ENOUGH
    if enough and len(dead) == len(differing):
        levels = {both[at][0][0] for at in dead}
        level = f"{levels.pop() + 0.0:g}" if len(levels) == 1 else "the same number"
        by = f"{'are' if several else 'is'} {level} in every row"
    elif enough and _explain(table, offsets):
        by = "are moved, each by an amount of its own" if several else _told(offsets[differing[0]])
    elif enough and _explain(table, lines):
        own = "are scaled, each in its own way, as by a scaler that was fitted to something else"
        by = own if several else _told(lines[differing[0]])
    elif 2 * len(differing) <= table.width:
        return f"only {_listed(table.word, differing)} of {table.width} {'differ' if several else 'differs'}"
    else:
        return None
    return f"{_listed(table.word, differing)} {by}"


def _explain(table: Table, lines: Mapping[int, Line]) -> bool:
    return table.is_made_of(
        [
            [lines[at].at(number) if at in lines else number for at, number in enumerate(row)]
            for row in table.recorded
        ]
    )


def _told(line: Line) -> str:
    if line.factor == 1:
        return f"is {moved(line.offset)} what it was"
    return f"is {named(line.factor)} times what it was, {added(line.offset)}"


def _listed(word: str, places: Sequence[int]) -> str:
    if len(places) == 1:
        return f"{word} {places[0]}"
    if len(places) <= _FEW:
        return f"{word}s {', '.join(map(str, places[:-1]))} and {places[-1]}"
    return f"{len(places)} {word}s"
