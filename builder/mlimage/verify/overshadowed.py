"""What a golden record cannot show: columns that are small beside others of their rows. Pure."""

from collections.abc import Sequence
from typing import Final

from mlimage.runtime.golden.compare import STAGES
from mlimage.runtime.golden.record import Record
from mlimage.runtime.probe.operation import Values

_WIDEST: Final = 512
"""Columns of a table; images and the like have more, of one kind."""
_PART: Final = 0.1
"""Of a column's largest number: a difference of so much should not pass."""
_NOISE: Final = {"float64": 1e-13}
"""What is smaller than this part of its rows is what rounding has left of nothing."""


def overshadowed(record: Record) -> tuple[str, ...]:
    """A sentence for each array in which a difference that matters would pass, since errors are normwise."""
    found = []
    for stage in STAGES[:2]:
        names = dict.fromkeys(name for case in record.cases for name in getattr(case, stage))
        for name in names:
            arrays = [getattr(case, stage)[name] for case in record.cases if name in getattr(case, stage)]
            limit = record.tolerance.get(stage, {}).get(arrays[0].dtype, 0.0)
            columns = _hidden(arrays, limit)
            if columns:
                found.append(_said(f"{stage} `{name}`" if name else stage, columns, limit))
    return tuple(found)


def _hidden(arrays: Sequence[Values], limit: float) -> list[tuple[int, float, float]]:
    """Columns that are hidden: each one's place, its largest number, and the least that the rows have."""
    widths = {values.shape[-1] if len(values.shape) > 1 else 0 for values in arrays}
    if len(widths) != 1 or not limit or not 1 < max(widths) <= _WIDEST:
        return []
    rows = [[abs(number) for number in row] for values in arrays for row in values.rows()]
    whole = [row for row in rows if all(number < float("inf") for number in row)]
    if not whole:
        return []
    beside = min(max(row) for row in whole)
    noise = _NOISE.get(arrays[0].dtype, 0.0) * beside
    largest = [max(column) for column in zip(*whole, strict=True)]
    return [
        (at, most, beside)
        for at, most in enumerate(largest)
        if noise < most and _PART * most <= limit * beside
    ]


def _said(what: str, columns: Sequence[tuple[int, float, float]], limit: float) -> str:
    places = ", ".join(str(at) for at, _, _ in columns[:3]) + (", …" if len(columns) > 3 else "")
    several = "columns" if len(columns) > 1 else "column"
    _, most, beside = max(columns, key=lambda each: each[1])
    return (
        f"{what}: {several} {places} cannot be seen beside numbers of {beside:.2g}: differences of "
        f"{limit * beside:.2g} pass, and the largest there is {most:.2g}; give arrays of their own (a dict)"
    )
