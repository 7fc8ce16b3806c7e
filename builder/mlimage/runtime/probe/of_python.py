"""What needs no library: canaries of the arithmetic, and libm through `math`, which libc gives."""

from __future__ import annotations

import math
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from typing import TYPE_CHECKING

from mlimage.runtime.probe.inputs import floats
from mlimage.runtime.probe.operation import TOLERANCES, Operation, Values, doubles, exactly, integers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_COUNT = 4096
"""glibc with and without FMA differs in one of a thousand values of `exp`, `sin` and `pow`."""
_STEP = 128
"""Each so many values one is judged against 40 digits."""
_BOUND = 2e-15
"""glibc promises a few units in the last place: "Known Maximum Errors in Math Functions" in its manual."""
_DIGITS = Context(prec=40)
_BERNOULLI = tuple(
    Fraction(*pair)
    for pair in ((1, 6), (-1, 30), (1, 42), (-1, 30), (5, 66), (-691, 2730), (7, 6), (-3617, 510))
)


def operations() -> Iterator[Operation]:
    """Canaries and libm."""
    # From outside, or the compiler would compute with them, on the machine that built the image.
    one, tenth, zero = float("1"), float("0.1"), float("0")
    tiny, half, near = one * 2.0**-1022, one * 2.0**-53, one + 2.0**-30
    # The smallest numbers are flushed to zero neither when they come out nor when they go in.
    yield _canary("denormal", lambda: [tiny * 0.5, tiny * 2.0**-52 * 2.0**52], 2.0**-1023, 2.0**-1022)
    yield _canary(
        "rounding", lambda: [one + half, one + 3 * half, tenth + 0.2], 1.0, 1 + 2.0**-51, 0.30000000000000004
    )
    yield _canary("contraction", lambda: [near * near - (one + 2.0**-29)], 0.0)
    yield _canary(
        "zero", lambda: [math.copysign(1, -one * zero), math.atan2(-one * zero, -1)], -1.0, -math.pi
    )
    yield Operation("canary.set", _set_order, lambda ours: (_sorted(ours), integers(range(16))), 0, None)
    for name, function, truth in _LIBM:
        yield _of_libm(name, function, truth)


def _canary(name: str, compute: Callable[[], list[float]], *truth: float) -> Operation:
    return Operation(f"canary.{name}", lambda: doubles(compute()), exactly(*truth), 0, 0)


def _set_order() -> Values:
    words = [f"word {number}" for number in range(16)]
    return integers([words.index(word) for word in set(words)])


def _sorted(ours: Values) -> Values:
    return integers([int(number) for number in sorted(ours.numbers())])


def _of_libm(name: str, function: Callable[[float], float], truth: Callable[[Decimal], Decimal]) -> Operation:
    def inputs() -> Sequence[float]:
        return [abs(number) + 2.0**-10 for number in floats(_COUNT, 5)]

    def check(ours: Values) -> tuple[Values, Values]:
        with localcontext(_DIGITS):
            right = [float(truth(Decimal(number))) for number in inputs()[::_STEP]]
        return doubles(ours.numbers()[::_STEP]), doubles(right)

    def compute() -> Values:
        return doubles([function(number) for number in inputs()])

    return Operation(f"libm.{name}", compute, check, _BOUND, TOLERANCES["float64"])


def _series(x: Decimal, factor: Callable[[int], Decimal]) -> Decimal:
    """The odd power series whose term n is the one before it times -x² `factor(n)`."""
    term = total = x
    for number in range(1, 40):
        term *= -x * x * factor(number)
        total += term
    return total


def _sin(x: Decimal) -> Decimal:
    return _series(x, lambda n: 1 / Decimal(2 * n * (2 * n + 1)))


def _tanh(x: Decimal) -> Decimal:
    grown = (2 * x).exp()
    return (grown - 1) / (grown + 1)


def _erf(x: Decimal) -> Decimal:
    series = _series(x, lambda n: Decimal(2 * n - 1) / (n * (2 * n + 1)))
    return 2 / Decimal("3.14159265358979323846264338327950288420").sqrt() * series


def _lgamma(x: Decimal) -> Decimal:
    """Stirling's series at x + 30, and the recurrence back from there."""
    product = Decimal(1)
    for number in range(30):
        product *= x + number
    z = x + 30
    total = (z - Decimal("0.5")) * z.ln() - z + Decimal("6.28318530717958647692528676655900576839").ln() / 2
    for index, bernoulli in enumerate(_BERNOULLI, 1):
        denominator = bernoulli.denominator * 2 * index * (2 * index - 1)
        total += Decimal(bernoulli.numerator) / (denominator * z ** (2 * index - 1))
    return total - product.ln()


_POWER = 2.3
_LIBM: tuple[tuple[str, Callable[[float], float], Callable[[Decimal], Decimal]], ...] = (
    ("exp", math.exp, Decimal.exp),
    ("sin", math.sin, _sin),
    ("tanh", math.tanh, _tanh),
    ("pow", lambda x: math.pow(x, _POWER), lambda x: x ** Decimal(_POWER)),
    ("log1p", math.log1p, lambda x: (1 + x).ln()),
    ("erf", math.erf, _erf),
    ("lgamma", math.lgamma, _lgamma),
)
