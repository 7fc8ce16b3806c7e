"""NumPy: its own loops (SIMD), its linear algebra (OpenBLAS), its random numbers."""

from __future__ import annotations

import math
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mlimage.runtime.probe.inputs import floats, many_floats
from mlimage.runtime.probe.operation import TOLERANCES, Operation, Values, doubles, integers, little_endian

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_COUNT = 4096
_SUMS = 16
"""A single sum may come out equal by chance."""


def pack(found: Any) -> Values:
    """A NumPy array, or what can become one."""
    np: Any = import_module("numpy")
    array = np.asarray(found, order="C")  # `ascontiguousarray` would give a number an axis
    return Values(str(array.dtype), tuple(array.shape), little_endian(array.tobytes(), array.dtype.itemsize))


def array(shape: tuple[int, ...], salt: int, dtype: str = "float32") -> Any:
    """Exact numbers in [-1, 1)."""
    np: Any = import_module("numpy")
    return np.array(floats(math.prod(shape), salt), dtype).reshape(shape)


def operations() -> Iterator[Operation]:
    """Everything that is asked of NumPy."""
    np: Any = import_module("numpy")
    yield from _canaries(np)
    yield from _elementwise(np)
    yield from _sums(np)
    yield from _products(np)
    yield from _decompositions(np)
    yield from _random(np)


def _canaries(np: Any) -> Iterator[Operation]:
    large = np.array([2**31 - 1, -(2**31)], "int32")
    yield _exact("numpy.overflow.int32", lambda: large + large, lambda: np.array([-2, 0], "int32"))
    strange = np.array([np.nan, np.inf, -np.inf, -0.0, 2.0**-149], "float32")
    yield _exact("numpy.strange.float32", lambda: strange * np.float32(1), lambda: strange)
    tied = np.floor(array((_COUNT,), 5) * 50)
    yield Operation(
        "numpy.argsort.ties",
        lambda: pack(np.argsort(tied).astype("int64")),
        lambda ours: (
            pack(tied[np.array(ours.numbers(), "int64")]),
            pack(np.array(sorted(tied.tolist()), "float32")),
        ),
        0,
        None,
    )
    yield _exact(
        "numpy.sort.float32",
        lambda: np.sort(array((_COUNT,), 5)),
        lambda: np.array(sorted(floats(_COUNT, 5)), "float32"),
    )


def _elementwise(np: Any) -> Iterator[Operation]:
    for name, dtype, truth in (
        ("exp", "float64", math.exp),
        ("exp", "float32", math.exp),
        ("sin", "float64", math.sin),
        ("tanh", "float32", math.tanh),
        ("log1p", "float32", math.log1p),
        ("log1p", "float64", math.log1p),
        ("arctan", "float64", math.atan),
        ("cbrt", "float32", lambda x: math.copysign(abs(x) ** (1 / 3), x)),
    ):
        x = array((_COUNT,), 5, dtype) * np.dtype(dtype).type(0.875)
        yield _against(f"numpy.{name}.{dtype}", partial(getattr(np, name), x), _each(truth, x))
    base = np.abs(array((_COUNT,), 5)) + np.float32(2.0**-10)
    yield _against(
        "numpy.power.float32",
        lambda: np.power(base, np.float32(2.25)),
        _each(lambda x: math.pow(x, 2.25), base),
    )


def _sums(np: Any) -> Iterator[Operation]:
    v = np.array(many_floats(128, 6), "float32")
    yield _against(
        "numpy.sum.float32",
        lambda: np.array([v[i * 7 :].sum() for i in range(_SUMS)]),
        lambda: doubles([math.fsum(v[i * 7 :].tolist()) for i in range(_SUMS)]),
        bound=1e-5,
    )
    wide = array((64, 64), 1) * np.float32(4)
    yield _against(
        "numpy.softmax.float32",
        lambda: _softmax(np, wide),
        lambda: pack(_softmax(np, wide.astype("float64"))),
    )
    signal = array((1024,), 7, "float64")
    yield Operation(
        "numpy.rfft.float64",
        lambda: pack(np.fft.rfft(signal).view("float64").reshape(-1, 2)),
        lambda ours: (doubles(ours.numbers()[: 2 * 8]), doubles(_fourier(signal.tolist(), 8))),
        1e-13,
        TOLERANCES["float64"],
    )


def _products(np: Any) -> Iterator[Operation]:
    a, b = array((64, 192), 1), array((192, 96), 2)
    small, weights = array((8, 64), 3), array((64, 32), 4)
    yield _against("numpy.gemm.float32.small", lambda: small @ weights, lambda: _product(np, small, weights))
    yield _against("numpy.gemm.float32", lambda: a @ b, lambda: _product(np, a, b))
    yield _against("numpy.gemv.float32", lambda: a @ b[:, 0], lambda: _product(np, a, b[:, 0]))
    # OpenBLAS takes threads for vectors of more than 10,000 numbers; sums in float64 tell how many, on every
    # kernel that was tried.
    for dtype, bound in (("float32", 1e-5), ("float64", 1e-12)):
        v = np.array(many_floats(128, 6), dtype)
        yield _against(f"numpy.dot.{dtype}", partial(_dots, np, v), partial(_exact_dots, v), bound=bound)


def _dots(np: Any, v: Any) -> Any:
    return np.array([np.dot(v[i * 7 :], v[: v.size - i * 7]) for i in range(_SUMS)])


def _exact_dots(v: Any) -> Values:
    wide = v.astype("float64")  # in which the products are exact
    return doubles([math.fsum((wide[i * 7 :] * wide[: wide.size - i * 7]).tolist()) for i in range(_SUMS)])


def _decompositions(np: Any) -> Iterator[Operation]:
    side = 64
    a = array((side, side), 1, "float64")
    symmetric, dominant = a + a.T, array((96, 96), 2, "float64") + 8 * np.eye(96)
    tall, right = array((128, 32), 3, "float64"), array((128,), 4, "float64")
    yield Operation(
        "numpy.inv.float64",
        lambda: pack(np.linalg.inv(dominant)),
        lambda ours: (pack(_product_of("ij,jk->ik", dominant, _unpacked(ours))), pack(np.eye(96))),
        1e-12,
        TOLERANCES["float64"],
    )
    yield Operation(
        "numpy.svd.float64",
        lambda: pack(_signed(np, np.linalg.svd(a)[0])),
        lambda ours: _of_eigenvectors(_unpacked(ours), _product_of("ij,kj->ik", a, a)),
        1e-12,
        TOLERANCES["float64"],
    )
    yield Operation(
        "numpy.eigh.float64",
        lambda: pack(_signed(np, np.linalg.eigh(symmetric)[1])),
        lambda ours: _of_eigenvectors(_unpacked(ours), symmetric),
        1e-12,
        TOLERANCES["float64"],
    )
    yield Operation(
        "numpy.lstsq.float64",
        lambda: pack(np.linalg.lstsq(tall, right, rcond=None)[0]),
        lambda ours: (
            pack(_product_of("ij,ik,k->j", tall, tall, _unpacked(ours))),
            pack(_product_of("ij,i->j", tall, right)),
        ),
        1e-12,
        TOLERANCES["float64"],
    )


def _random(np: Any) -> Iterator[Operation]:
    for name, draw in (
        ("generator", lambda: np.random.default_rng(0).standard_normal(_COUNT)),
        ("legacy", lambda: np.random.RandomState(0).standard_normal(_COUNT)),
    ):
        yield Operation(f"numpy.normal.{name}", _packed(draw), moments, 0.1, TOLERANCES["float64"])
    yield Operation(
        "numpy.permutation",
        lambda: pack(np.random.default_rng(0).permutation(256).astype("int64")),
        lambda ours: (integers(sorted(map(int, ours.numbers()))), integers(range(256))),
        0,
        0,
    )


def moments(ours: Values) -> tuple[Values, Values]:
    """Mean and deviation of what should be standard normal: all that can be said of random numbers alone."""
    numbers = ours.numbers()
    mean = math.fsum(numbers) / len(numbers)
    deviation = math.sqrt(math.fsum((number - mean) ** 2 for number in numbers) / len(numbers))
    return doubles([mean, deviation]), doubles([0.0, 1.0])


def _packed(compute: Callable[[], Any]) -> Callable[[], Values]:
    return lambda: pack(compute())


def _exact(name: str, compute: Callable[[], Any], truth: Callable[[], Any]) -> Operation:
    return Operation(name, lambda: pack(compute()), lambda ours: (ours, pack(truth())), 0, 0)


def _against(
    name: str, compute: Callable[[], Any], truth: Callable[[], Values], bound: float | None = None
) -> Operation:
    dtype = "float64" if "float64" in name else "float32"
    allowed = bound or {"float64": 1e-14, "float32": 1e-6}[dtype]
    return Operation(name, lambda: pack(compute()), lambda ours: (ours, truth()), allowed, TOLERANCES[dtype])


def _each(truth: Callable[[float], float], x: Any) -> Callable[[], Values]:
    return lambda: doubles([truth(number) for number in x.tolist()])


def _softmax(np: Any, x: Any) -> Any:
    grown = np.exp(x - x.max(1, keepdims=True))
    return grown / grown.sum(1, keepdims=True)


def _product(np: Any, a: Any, b: Any) -> Values:
    """The exact product, in whole numbers: no BLAS multiplies these, and 64 bits hold every sum."""
    whole = [np.rint(each.astype("float64") * 2.0**23).astype("int64") for each in (a, b)]
    return pack((whole[0] @ whole[1]).astype("float64") * 2.0**-46)


def _unpacked(ours: Values) -> Any:
    np: Any = import_module("numpy")
    return np.array(ours.numbers(), ours.dtype).reshape(ours.shape)


def _signed(np: Any, vectors: Any) -> Any:
    """Columns whose largest element is positive: the sign of an eigenvector is nobody's promise."""
    largest = np.abs(vectors).argmax(0)
    return vectors * np.sign(vectors[largest, np.arange(vectors.shape[1])])


def _product_of(letters: str, *factors: Any) -> Any:
    """The sum of products that the letters tell, without BLAS."""
    np: Any = import_module("numpy")
    return np.einsum(letters, *factors, optimize=False)


def _of_eigenvectors(vectors: Any, matrix: Any) -> tuple[Values, Values]:
    """V diag(V' A V) V', which is A if the columns of V are its eigenvectors and orthonormal."""
    values = _product_of("ji,jk,ki->i", vectors, matrix, vectors)
    return pack(_product_of("ij,kj->ik", vectors * values, vectors)), pack(matrix)


def _fourier(signal: list[float], count: int) -> list[float]:
    found: list[float] = []
    for frequency in range(count):
        angles = [-2 * math.pi * (frequency * n % len(signal)) / len(signal) for n in range(len(signal))]
        found.append(math.fsum(x * math.cos(angle) for x, angle in zip(signal, angles)))
        found.append(math.fsum(x * math.sin(angle) for x, angle in zip(signal, angles)))
    return found
