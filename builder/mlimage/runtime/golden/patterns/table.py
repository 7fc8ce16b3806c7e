"""The numbers of all cases as rows of one width, those here beside those of the record. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mlimage.runtime.probe.operation import Values

LARGEST = 1 << 18
"""Numbers that are looked at, at most: those of the first samples."""

Rows = list[tuple[float, ...]]


class Table(NamedTuple):
    """What a pattern is looked for in.

    Attributes:
        ours: rows, a sample each.
        recorded: rows, as many and as wide.
        lengths: how many rows each case has.
        shape: of a sample; its numbers are a row.
        limit: how far one may be from the other, of the largest number in a row; 0 is exact.
        word: what a place in a row is called, `column` or `element`.
    """

    ours: Rows
    recorded: Rows
    lengths: tuple[int, ...]
    shape: tuple[int, ...]
    limit: float
    word: str

    @property
    def width(self) -> int:
        """Numbers of a row."""
        return len(self.ours[0])

    @property
    def pairs(self) -> list[tuple[float, float]]:
        """Numbers here and in the record that stand at the same place, where both are finite."""
        return [pair for rows in zip(self.ours, self.recorded) for pair in finite(*rows)]

    @property
    def allowed(self) -> list[float]:
        """How far numbers of each row may be off: by the limit, of the largest one, here or in the record."""
        return [
            self.limit
            * max((abs(number) for number in (*ours, *recorded) if math.isfinite(number)), default=0)
            for ours, recorded in zip(self.ours, self.recorded)
        ]

    def is_made_of(self, rows: Sequence[Sequence[float]]) -> bool:
        """Whether these are the rows here, within the tolerance."""
        return all(
            alike(a, b, allowed)
            for ours, row, allowed in zip(self.ours, rows, self.allowed)
            for a, b in zip(ours, row)
        )

    def is_moved(self, order: Sequence[int]) -> bool:
        """Whether the number at each place here is the record's at that of `order`."""
        return self.is_made_of([[row[place] for place in order] for row in self.recorded])

    def is_mapped(self, change: Callable[[float], float]) -> bool:
        """Whether this, done to each recorded number, gives those here."""
        return self.is_made_of([[change(number) for number in row] for row in self.recorded])


def table_of(pairs: Sequence[tuple[Values, Values]], limit: float) -> Table | None:
    """The table of an array of all cases, here and in the record, of equal shapes; None where it is empty."""
    kept, left = [], LARGEST
    for ours, recorded in pairs:
        samples = _that_fit(recorded, left)
        if samples:
            kept.append((_first(ours, samples), _first(recorded, samples)))
            left -= math.prod(kept[-1][0].shape)
    # One axis: each case is a sample, or each number is one where cases are not equally long.
    axis = 0 if all(len(ours.shape) <= 1 for ours, _ in kept) else 1
    shapes = {ours.shape[axis:] for ours, _ in kept}
    widths = {math.prod(shape) for shape in shapes}
    width = widths.pop() if len(widths) == 1 else 1
    table = Table(
        ours=[row for ours, _ in kept for row in _rows(ours, width)],
        recorded=[row for _, recorded in kept for row in _rows(recorded, width)],
        lengths=tuple(len(_rows(ours, width)) for ours, _ in kept),
        shape=shapes.pop() if len(shapes) == 1 else (width,),
        limit=limit,
        word="column" if all(len(ours.shape) <= 2 for ours, _ in kept) else "element",
    )
    return table if table.ours else None


def _that_fit(values: Values, room: int) -> int:
    """How many samples have no more numbers than there is room for; what has one axis is a single one."""
    size, samples = math.prod(values.shape), values.shape[0] if len(values.shape) > 1 else 1
    return min(samples, room * samples // size) if size else 0


def _first(values: Values, samples: int) -> Values:
    """Some of its samples."""
    if len(values.shape) < 2 or samples == values.shape[0]:
        return values
    whole = len(values.content) // values.shape[0]
    return values._replace(shape=(samples, *values.shape[1:]), content=values.content[: samples * whole])


def finite(ours: Sequence[float], recorded: Sequence[float]) -> list[tuple[float, float]]:
    """The pairs of which both are finite."""
    return [(a, b) for a, b in zip(ours, recorded) if math.isfinite(a) and math.isfinite(b)]


def alike(ours: float, recorded: float, allowed: float) -> bool:
    """Whether two numbers are as near as they must be; NaN is like NaN."""
    return ours == recorded or abs(ours - recorded) <= allowed or (ours != ours and recorded != recorded)  # noqa: PLR0124 - NaN


def _rows(values: Values, width: int) -> Rows:
    numbers = values.numbers()
    return [numbers[at : at + width] for at in range(0, len(numbers), width)] if width else []
