"""How far two arrays are from each other: bitwise first, then normwise. Pure, and without any library.

Element-wise relative error and ULPs are not used: where sums cancel they call harmless noise a failure.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlimage.runtime.probe.operation import Values


def normwise(ours: Values, truth: Values) -> float:
    """The largest over the rows of max|a - b| / max|b|; infinite where they cannot be compared.

    NaN equals NaN, an infinity equals the same infinity, and neither equals anything else. A row of zeros is
    measured by the largest number of all, so that noise in it is not called infinite.
    """
    if ours.shape != truth.shape:
        return math.inf
    if ours.dtype == truth.dtype and ours.content == truth.content:
        return 0.0
    farthest = whole = 0.0
    # Row after row: of large arrays no more is in memory than their bytes.
    for a, b in zip(ours.rows(), truth.rows()):
        apart = _apart(a, b)
        if not apart:
            continue
        size = _size(b) or whole
        if not size:
            size = whole = max(_size(row) for row in truth.rows())
        if not size or math.isinf(apart):
            return math.inf
        farthest = max(farthest, apart / size)
    return farthest


def _size(row: Sequence[float]) -> float:
    return max((abs(number) for number in row if math.isfinite(number)), default=0.0)


def _apart(ours: Sequence[float], truth: Sequence[float]) -> float:
    farthest = 0.0
    for a, b in zip(ours, truth):
        if a == b:
            continue
        if not (math.isfinite(a) and math.isfinite(b)):
            if a != a and b != b:  # noqa: PLR0124 - both are NaN
                continue
            return math.inf
        farthest = max(farthest, abs(a - b))
    return farthest
