"""The same was done to each number. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mlimage.runtime.golden.patterns.line import ENOUGH, added, line_of, moved, named

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mlimage.runtime.golden.patterns.table import Table

_SIGNIFICANDS = {24: "float32 has", 11: "float16 and TensorFloat-32 have", 8: "bfloat16 has"}
_DECIMALS = 9


def filled_otherwise(table: Table) -> str | None:
    """Something else is done with what is not finite."""
    rows, fillings, lost = [], set(), 0
    for ours, recorded in zip(table.ours, table.recorded):
        pairs = list(zip(ours, recorded))
        rows.append([a if math.isfinite(a) != math.isfinite(b) else b for a, b in pairs])
        fillings |= {a for a, b in pairs if math.isfinite(a) and not math.isfinite(b)}
        lost += sum(math.isfinite(b) and not math.isfinite(a) for a, b in pairs)
    if not (fillings or lost) or not table.is_made_of(rows):
        return None
    if lost:
        return f"{lost} numbers are NaN or infinite, and were not"
    filling = f"{fillings.pop():g}" if len(fillings) == 1 else "a number"
    return f"{filling} stands where NaN or an infinity was"


def constant(table: Table) -> str | None:
    """Nothing is left of what it was."""
    first = table.ours[0][0]
    return f"every number is {first + 0.0:g}" if all(a == first for row in table.ours for a in row) else None


def scaled(table: Table) -> str | None:
    """One factor, one offset, or both."""
    pairs = table.pairs
    square = math.fsum(b * b for _, b in pairs)
    if not square or len(pairs) < ENOUGH:
        return None
    factor = math.fsum(a * b for a, b in pairs) / square
    if factor and table.is_mapped(lambda b: b * factor):
        return f"each number is {named(factor)} times what it was"
    offset = math.fsum(a - b for a, b in pairs) / len(pairs)
    if table.is_mapped(lambda b: b + offset):
        return f"each number is {moved(offset)} what it was"
    line = line_of(pairs)
    if line and line.factor and table.is_mapped(line.at):
        return f"each number is {named(line.factor)} times what it was, {added(line.offset)}"
    return None


def cut_off(table: Table) -> str | None:
    """Numbers beyond an end have become it."""
    differing = [(a, b) for a, b in table.pairs if a != b]
    ends = {a for a, _ in differing}
    if len(ends) != 1:
        return None
    end = ends.pop()
    if all(b > end for _, b in differing) and table.is_mapped(lambda b: min(b, end)):
        return f"numbers above {end:g} are cut off"
    if all(b < end for _, b in differing) and table.is_mapped(lambda b: max(b, end)):
        return f"numbers below {end:g} are cut off"
    return None


def rounded(table: Table) -> str | None:
    """Bits or decimals are gone, by whichever way of rounding."""
    pairs = table.pairs
    # The coarsest that fits: what has few bits has many, too.
    for bits in sorted(_SIGNIFICANDS):
        if all(_is_cut(a, b, bits) for a, b in pairs):
            return f"each number is rounded to {bits} bits, which {_SIGNIFICANDS[bits]}"
    for digits in range(_DECIMALS):
        if all(a == round(b, digits) for a, b in pairs):
            return f"each number is rounded to {digits} decimals"
    return None


def _is_cut(number: float, whole: float, bits: int) -> bool:
    """Whether a number is another one that has lost all but so many bits."""
    _, exponent = math.frexp(whole)
    step = math.ldexp(1.0, exponent - bits)
    return abs(number - whole) < step and (number / step).is_integer() if whole else not number


def _sigmoid(number: float) -> float:
    return 1 / (1 + math.exp(-number)) if number >= 0 else 1 - 1 / (1 + math.exp(number))


_FUNCTIONS: tuple[tuple[str, Callable[[float], float]], ...] = (
    ("the sigmoid of what it was", _sigmoid),
    ("the exponential of what it was", math.exp),
    ("the logarithm of what it was", math.log),
    ("log1p of what it was", math.log1p),
    ("expm1 of what it was", math.expm1),
    ("what it was without its sign", abs),
    ("the square of what it was", lambda number: number * number),
    ("the root of what it was", math.sqrt),
    ("1 divided by what it was", lambda number: 1 / number),
    ("what it was, cut to a whole number", math.trunc),
)


def function(table: Table) -> str | None:
    """A function of each number, or of each row."""
    for name, change in _FUNCTIONS:
        if table.is_mapped(_or_nan(change)):
            return f"each number is {name}"
    if table.width > 1:
        for name, of_row in (("softmax", _softmax), ("log-softmax", _log_softmax)):
            if table.is_made_of([of_row(row) for row in table.recorded]):
                return f"each row is the {name} of what it was"
    return None


def _or_nan(change: Callable[[float], float]) -> Callable[[float], float]:
    def changed(number: float) -> float:
        try:
            return change(number)
        except (ValueError, ArithmeticError):
            return math.nan

    return changed


def _softmax(row: Sequence[float]) -> list[float]:
    return [math.exp(number) for number in _log_softmax(row)]


def _log_softmax(row: Sequence[float]) -> list[float]:
    if not all(map(math.isfinite, row)):
        return [math.nan] * len(row)
    largest = max(row)
    whole = largest + math.log(math.fsum(math.exp(number - largest) for number in row))
    return [number - whole for number in row]
