"""Looks for the pattern of a difference. Pure.

One is named only where it explains the whole difference: what it leaves is within the tolerance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlimage.runtime.golden.npy import is_text, texts
from mlimage.runtime.golden.patterns.of_columns import columns
from mlimage.runtime.golden.patterns.of_numbers import (
    constant,
    cut_off,
    filled_otherwise,
    function,
    rounded,
    scaled,
)
from mlimage.runtime.golden.patterns.of_order import reordered
from mlimage.runtime.golden.patterns.of_texts import of_texts
from mlimage.runtime.golden.patterns.table import table_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mlimage.runtime.golden.patterns.table import Table
    from mlimage.runtime.probe.operation import Values

_RULES = (filled_otherwise, constant, scaled, cut_off, rounded, function, reordered, columns)
"""The plainest first; the last one, which may say no more than where it differs, at the end."""


def pattern(pairs: Sequence[tuple[Values, Values]], limit: float) -> str | None:
    """What has become of recorded arrays, as a sentence; None where nothing that is known fits.

    Args:
        pairs: the array of each case as it is here, and as it was recorded. Those of another shape say
            nothing; whether types are equal is not looked at.
        limit: how far one may be from the other, normwise; 0 is exact.
    """
    alike = [(ours, recorded) for ours, recorded in pairs if ours.shape == recorded.shape]
    if any(is_text(values) for pair in alike for values in pair):
        whole = all(is_text(values) for pair in alike for values in pair)
        return of_texts([both for a, b in alike for both in zip(texts(a), texts(b))]) if whole else None
    table = table_of(alike, limit)
    if table is None or table.is_made_of(table.recorded):
        return None
    return next(filter(None, (_said(rule, table) for rule in _RULES)), None)


def _said(rule: Callable[[Table], str | None], table: Table) -> str | None:
    try:
        return rule(table)
    except (ArithmeticError, ValueError):
        # Numbers near the ends of float64: what is made of them has no place in it.
        return None
