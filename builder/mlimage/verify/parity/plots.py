"""Where marks stand in the report's plots, in hundredths of their width. Pure."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

_ZERO: Final = 2.0
_ENDLESS: Final = 98.0
"""Places of an error of 0, and of one that cannot be measured: a logarithm has none for them."""
_BEGIN, _END = 14.0, 86.0
_BINS: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A logarithmic axis from one power of ten to another."""

    low: int
    high: int

    def at(self, value: float) -> float:
        """Where a value stands."""
        if not math.isfinite(value):
            return _ENDLESS
        if value <= 0:
            return _ZERO
        part = (math.log10(value) - self.low) / (self.high - self.low)
        return round(_BEGIN + (_END - _BEGIN) * min(1.0, max(0.0, part)), 2)

    def labels(self) -> tuple[tuple[str, float], ...]:
        """What stands along the axis, and where."""
        powers = (self.low, (self.low + self.high) // 2, self.high)
        return (("0", _ZERO), *((f"1e{power}", self.at(10.0**power)) for power in powers), ("∞", _ENDLESS))


_LOWEST: Final = -320
_HIGHEST: Final = 308
"""Powers of ten that float64 has."""


def scale_of(values: Iterable[float]) -> Scale:
    """An axis that has room for all values, those aside that have no logarithm."""
    powers = [math.log10(value) for value in values if 0 < value < math.inf]
    if not powers:
        return Scale(low=-16, high=0)
    return Scale(
        low=max(math.floor(min(powers)) - 1, _LOWEST), high=min(math.ceil(max(powers)) + 1, _HIGHEST)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A bar of a histogram: left edge and width, height above the base line, all in hundredths."""

    x: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """How many of the values are where, between `low` and `high`."""

    low: float
    high: float
    bars: tuple[Bar, ...]

    def at(self, value: float) -> float:
        """Where a value stands; what is beyond the axis stands at its end."""
        return round(100 * min(1.0, max(0.0, (value - self.low) / (self.high - self.low))), 2)


def histogram(values: Sequence[float], marks: Iterable[float] = ()) -> Histogram:
    """The values in bins of equal width, on an axis that also has room for the marks."""
    high = max((*values, *marks)) * 1.02
    counts = [0] * _BINS
    for value in values:
        counts[min(_BINS - 1, int(value / high * _BINS))] += 1
    width, most = 100 / _BINS, max(counts)
    bars = tuple(
        Bar(x=round(number * width, 2), width=round(width * 0.9, 2), height=round(100 * count / most, 2))
        for number, count in enumerate(counts)
        if count
    )
    return Histogram(low=0.0, high=high, bars=bars)
