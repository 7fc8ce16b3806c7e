"""Numbers that are the same everywhere: splitmix64 in whole numbers, and floats that these give exactly.

No random generator of a library and no function of libm takes part, so what differs is the operation.
"""

from __future__ import annotations

from array import array
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_ALL = 2**64 - 1


def words(salt: int) -> Iterator[int]:
    """An endless stream of 64-bit numbers (splitmix64, https://prng.di.unimi.it/splitmix64.c)."""
    state = salt * 0x1000003 & _ALL
    while True:
        state = state + 0x9E3779B97F4A7C15 & _ALL
        mixed = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & _ALL
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & _ALL
        yield mixed ^ mixed >> 31


@cache
def floats(count: int, salt: int) -> array[float]:
    """Numbers in [-1, 1) of 24 bits, so exact as float32 and as float64."""
    stream = words(salt)
    return array("d", [(next(stream) >> 40) * 2.0**-23 - 1.0 for _ in range(count)])


@cache
def many_floats(side: int, salt: int) -> array[float]:
    """`side` times `side` numbers in (-1, 1), exact as float32: products of 12-bit ones, which are cheap."""
    stream = words(salt)
    first, second = ([(next(stream) >> 52) * 2 - 4095 for _ in range(side)] for _ in range(2))
    return array("d", [a * b * 2.0**-24 for a in first for b in second])
