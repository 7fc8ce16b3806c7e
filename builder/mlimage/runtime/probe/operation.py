"""What the probe is made of: operations, and the values that they give."""

from __future__ import annotations

import hashlib
import struct
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_FORMATS = {
    "float64": "d",
    "float32": "f",
    "float16": "e",
    "bfloat16": "f",
    "int64": "q",
    "int32": "i",
    "int16": "h",
    "int8": "b",
    "uint64": "Q",
    "uint32": "I",
    "uint16": "H",
    "uint8": "B",
    "bool": "?",
}
"""How the bytes of each type are read; bfloat16 is kept as the float32 that it is the upper half of."""


class Values(NamedTuple):
    """An array: the name of its type, its shape, and its bytes, little-endian, last axis fastest."""

    dtype: str
    shape: tuple[int, ...]
    content: bytes

    @property
    def sha256(self) -> str:
        """Digest of the bytes alone."""
        return hashlib.sha256(self.content).hexdigest()

    def numbers(self) -> tuple[float, ...]:
        """Every element."""
        form = _FORMATS[self.dtype]
        return struct.unpack(f"<{len(self.content) // struct.calcsize(form)}{form}", self.content)

    def rows(self) -> Iterator[Sequence[float]]:
        """The elements along the last axis, for each place on the others; a scalar is one row."""
        form = _FORMATS[self.dtype]
        width = (self.shape[-1] if self.shape else 1) * struct.calcsize(form)
        for at in range(0, len(self.content), width) if width else ():
            row: Any = memoryview(self.content)[at : at + width]
            # A view costs no memory, but has no half precision, and this machine's order of bytes.
            if form == "e" or sys.byteorder == "big":
                yield struct.unpack(f"<{width // struct.calcsize(form)}{form}", row)
            else:
                yield row.cast(form)


class Operation(NamedTuple):
    """One thing that is computed.

    Attributes:
        name: `GROUP.WHAT.TYPE`.
        compute: gives the values.
        truth: from the values, what is judged (these, or what must follow from them) and what is right.
        bound: how far the one may be from the other, normwise; 0 is exact.
        tolerance: how far two machines may be apart; None where any difference is allowed, since
            the order of equal things is nobody's promise.
    """

    name: str
    compute: Callable[[], Values]
    truth: Callable[[Values], tuple[Values, Values]]
    bound: float
    tolerance: float | None

    @property
    def group(self) -> str:
        """`libm`, `numpy` and so on."""
        return self.name.partition(".")[0]


TOLERANCES = {"float64": 1e-10, "float32": 1e-5, "float16": 5e-3, "bfloat16": 1e-2}
"""How far two CPUs may be apart, normwise; what is not here is exact.

Noise was 1e-12 in float64 and 4.9e-6 in float32 at most, measured over 275 pairs of operation and code path;
the smallest of the injected bugs was 1.2e-4.
"""
ITERATIVE = 1e-6
"""Of a float64 fit that ends when it is near enough."""


def doubles(numbers: Sequence[float], shape: tuple[int, ...] | None = None) -> Values:
    """Python's own numbers as an array."""
    content = struct.pack(f"<{len(numbers)}d", *numbers)
    return Values("float64", (len(numbers),) if shape is None else shape, content)


def integers(numbers: Sequence[int], shape: tuple[int, ...] | None = None) -> Values:
    """Python's own whole numbers as an array."""
    content = struct.pack(f"<{len(numbers)}q", *numbers)
    return Values("int64", (len(numbers),) if shape is None else shape, content)


def exactly(*truth: float) -> Callable[[Values], tuple[Values, Values]]:
    """The truth that is these numbers."""
    return lambda ours: (ours, doubles(truth, ours.shape))


def little_endian(content: bytes, width: int) -> bytes:
    """The bytes of this machine's elements of that many bytes, in the order in which they are kept."""
    if sys.byteorder == "little" or width == 1:
        return content
    return b"".join(content[at : at + width][::-1] for at in range(0, len(content), width))
