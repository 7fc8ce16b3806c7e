"""A straight line through pairs of numbers, and factors and offsets in words. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

ENOUGH = 4
"""Pairs, from which on what fits them all is no chance."""
_DENOMINATOR = 1024
_NEAR = 1e-9


class Line(NamedTuple):
    """What is `factor` times a number, and `offset` more."""

    factor: float
    offset: float

    def at(self, number: float) -> float:
        """Its value there."""
        return self.factor * number + self.offset


def line_of(pairs: Sequence[tuple[float, float]]) -> Line | None:
    """The line that comes nearest to all first numbers, from the second ones.

    None where there are too few for it to mean anything, or the second ones are all equal.
    """
    if len(pairs) < ENOUGH:
        return None
    a_mean = mean([a for a, _ in pairs])
    b_mean = mean([b for _, b in pairs])
    spread = math.fsum((b - b_mean) ** 2 for _, b in pairs)
    if not spread:
        return None
    factor = math.fsum((a - a_mean) * (b - b_mean) for a, b in pairs) / spread
    return Line(factor, a_mean - factor * b_mean)


def mean(numbers: Sequence[float]) -> float:
    """Their mean; 0 of none."""
    return math.fsum(numbers) / len(numbers) if numbers else 0.0


def named(factor: float) -> str:
    """A factor, and the fraction that it is where that is a plain one: `0.996094 (255/256)`."""
    from fractions import Fraction

    near = Fraction(factor).limit_denominator(_DENOMINATOR)
    plain = near.denominator > 1 and math.isclose(near, factor, rel_tol=_NEAR)
    return f"{factor:.6g} ({near})" if plain else f"{factor:.6g}"


def moved(offset: float) -> str:
    """`0.5 more than`."""
    return f"{abs(offset):.6g} {'more' if offset > 0 else 'less'} than"


def added(offset: float) -> str:
    """`and 0.5 more`."""
    return f"and {abs(offset):.6g} {'more' if offset > 0 else 'less'}"
