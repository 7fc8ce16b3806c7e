"""The probe's own arithmetic: its inputs, and how it tells how far two arrays are apart."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlimage.runtime.probe.compare import normwise
from mlimage.runtime.probe.inputs import floats, many_floats, words
from mlimage.runtime.probe.operation import Values, doubles, little_endian

FINITE = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e100, max_value=1e100)


def test_splitmix64_as_published() -> None:
    stream = words(0)
    # The first numbers of the reference program with seed 0.
    assert [next(stream) for _ in range(3)] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


@pytest.mark.parametrize("numbers", [floats(4096, 5), many_floats(64, 6)], ids=["floats", "many"])
def test_inputs_are_exact_as_float32(numbers: list[float]) -> None:
    assert len(set(numbers)) > 2000
    assert all(-1 <= number < 1 for number in numbers)
    assert all(struct.unpack("f", struct.pack("f", number))[0] == number for number in numbers)


@pytest.mark.parametrize(
    ("ours", "truth", "error"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0),
        ([1.0, 2.5], [1.0, 2.0], 0.25),
        ([math.nan, 1.0], [math.nan, 1.0], 0),
        ([math.nan, 1.0], [0.0, 1.0], math.inf),
        ([0.0, 1.0], [math.nan, 1.0], math.inf),
        ([math.inf], [math.inf], 0),
        ([math.inf], [-math.inf], math.inf),
        ([math.inf, 1.0], [1e300, 1.0], math.inf),
        ([0.0], [0.0], 0),
        ([-0.0], [0.0], 0),
        ([1e-30], [0.0], math.inf),
        ([], [], 0),
        ([1.0], [1.0, 2.0], math.inf),
    ],
)
def test_how_far_apart(ours: list[float], truth: list[float], error: float) -> None:
    assert normwise(doubles(ours), doubles(truth)) == error


def test_each_row_has_its_own_measure() -> None:
    ours, truth = doubles([1000.0, 1000.0, 1.0, 1.1], (2, 2)), doubles([1000.0, 1000.0, 1.0, 1.0], (2, 2))
    assert normwise(ours, truth) == pytest.approx(0.1)


def test_noise_in_a_row_of_zeros_is_measured_by_the_others() -> None:
    ours, truth = doubles([0.0, 1e-16, 2.0, 1.0], (2, 2)), doubles([0.0, 0.0, 2.0, 1.0], (2, 2))
    assert normwise(ours, truth) == 5e-17


def test_of_many_rows_of_zeros() -> None:
    rows = 30_000  # each held against all others, this would take an hour
    assert normwise(doubles([0.1] * rows, (rows, 1)), doubles([0.0] * rows, (rows, 1))) == math.inf
    ours, truth = doubles([0.1, 0.0] * rows, (rows, 2)), doubles([0.0] * (2 * rows - 1) + [2.0], (rows, 2))
    assert normwise(ours, truth) == 1.0  # in the last row, where 2 became 0


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "bool", "uint8", "int64"])
def test_of_every_type(dtype: str) -> None:
    form = {"float16": "e", "float32": "f", "bfloat16": "f", "bool": "?", "uint8": "B", "int64": "q"}[dtype]
    ours, truth = (
        Values(dtype, (2, 2), struct.pack(f"<4{form}", *row)) for row in ((1, 0, 1, 1), (1, 0, 1, 0))
    )
    assert [list(row) for row in ours.rows()] == [[1, 0], [1, 1]]
    assert normwise(ours, truth) == 1.0


def test_a_scalar_is_a_row() -> None:
    assert normwise(doubles([3.0], ()), doubles([2.0], ())) == 0.5


def test_other_types_compare_by_value() -> None:
    assert normwise(Values("float32", (1,), struct.pack("<f", 0.1)), doubles([0.1])) == pytest.approx(
        1.5e-8, rel=0.1
    )


@given(st.lists(st.tuples(FINITE, FINITE), min_size=1))
def test_it_is_the_largest_difference_over_the_largest_number(pairs: list[tuple[float, float]]) -> None:
    ours, truth = [a for a, _ in pairs], [b for _, b in pairs]
    farthest, largest = max(abs(a - b) for a, b in pairs), max(map(abs, truth))
    expected = 0.0 if farthest == 0 else farthest / largest if largest else math.inf
    assert normwise(doubles(ours), doubles(truth)) == expected


def test_bytes_are_little_endian() -> None:
    native = struct.pack("=2d", 1.5, -2.0)
    assert little_endian(native, 8) == struct.pack("<2d", 1.5, -2.0)
