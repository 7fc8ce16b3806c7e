"""The same numbers stand in another order. Pure."""

from __future__ import annotations

import struct
from collections import deque
from typing import TYPE_CHECKING

from mlimage.runtime.golden.patterns.images import changes
from mlimage.runtime.golden.patterns.table import alike

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlimage.runtime.golden.patterns.table import Table

_WIDE = 512
"""Columns, from which on only equal bits are found again: each is held against each."""
_SHOWN = 6


def reordered(table: Table) -> str | None:
    """Columns, the rows of cases, or the numbers of rows."""
    for name, known in _known(table):
        if table.is_moved(known):
            return name
    order = _order_of_columns(table)
    if order is not None:
        return _listed(order, table.word)
    rows, moved = _in_cases(table)
    if moved and all(sorted(ours) == sorted(recorded) for ours, recorded in rows):
        return "rows stand in another order"
    if table.width == 1:
        return None
    for name, backwards in (("smallest", False), ("largest", True)):
        if table.is_made_of([sorted(row, reverse=backwards) for row in table.recorded]):
            return f"each row is sorted, from the {name} number on"
    pairs = [(a, b) for a, b in zip(table.ours, table.recorded) if a != b]
    if all(sorted(a) == sorted(b) for a, b in pairs):
        return f"{len(pairs)} rows have the same numbers in another order, as after an unstable sort"
    return None


def _in_cases(table: Table) -> tuple[list[tuple[list[tuple[float, ...]], list[tuple[float, ...]]]], bool]:
    found, at = [], 0
    for length in table.lengths:
        found.append((table.ours[at : at + length], table.recorded[at : at + length]))
        at += length
    return found, max(table.lengths) > 1


def _order_of_columns(table: Table) -> list[int] | None:
    """For each column here its place in the record; None where they are not the same columns."""
    ours, recorded = list(zip(*table.ours)), list(zip(*table.recorded))
    if table.width == 1:
        return None
    if table.width > _WIDE:
        return _matched([_bits(each) for each in ours], [_bits(each) for each in recorded])
    allowed = table.allowed
    free = dict.fromkeys(range(table.width))
    order = []
    for at, column in enumerate(ours):
        # One that did not move is not looked for elsewhere, though others be equal to it.
        places = (place for place in (at, *free) if place in free)
        found = next((place for place in places if _equal(column, recorded[place], allowed)), None)
        if found is None:
            return None
        del free[found]
        order.append(found)
    return order


def _equal(ours: Sequence[float], recorded: Sequence[float], allowed: Sequence[float]) -> bool:
    return all(map(alike, ours, recorded, allowed))


def _matched(ours: Sequence[bytes], recorded: Sequence[bytes]) -> list[int] | None:
    free: dict[bytes, deque[int]] = {}
    for place, (here, column) in enumerate(zip(ours, recorded)):
        if here != column:  # what did not move stays, though others be equal to it
            free.setdefault(column, deque()).append(place)
    order = []
    for at, (column, there) in enumerate(zip(ours, recorded)):
        if column == there:
            order.append(at)
            continue
        places = free.get(column)
        if not places:
            return None
        order.append(places.popleft())
    return order


def _bits(column: Sequence[float]) -> bytes:
    return struct.pack(f"<{len(column)}d", *column)


def _listed(order: Sequence[int], word: str) -> str:
    moved = [at for at, place in enumerate(order) if at != place]
    if len(moved) == 2:
        return f"{word}s {moved[0]} and {moved[1]} are swapped"
    shown = ", ".join(map(str, order[:_SHOWN])) + (", …" if len(order) > _SHOWN else "")
    return f"{word}s stand in another order: {shown}"


def _known(table: Table) -> Iterator[tuple[str, list[int]]]:
    """Orders that have a name."""
    every, width = range(table.width), table.width
    if width > 2:
        yield f"{table.word}s stand in reverse order", [width - 1 - at for at in every]
        yield f"{table.word}s have moved on by one place", [(at - 1) % width for at in every]
        yield f"{table.word}s have moved back by one place", [(at + 1) % width for at in every]
    if width > 1:
        yield from changes(table.shape)
