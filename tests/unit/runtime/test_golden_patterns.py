"""What a difference looks like: named where that is all of it, and not named where it is not."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mlimage.runtime.golden.patterns.find import pattern
from mlimage.runtime.probe.of_numpy import pack

Floats = NDArray[np.float64]
Change = Callable[[Any], Any]

LIMIT = 1e-10
ROWS = tuple(np.split(np.random.default_rng(1).normal(size=(6, 9)), [1, 4]))
"""Three cases; of images of 3 x 3, where one likes."""
ONES = np.linspace(-1, 1, 9)


def seen(change: Change, cases: tuple[Any, ...] = ROWS, limit: float = LIMIT, noise: float = 0) -> str | None:
    """The pattern of what is done to each case, on a machine whose last bits are others."""
    rng = np.random.default_rng(2)
    pairs = []
    for case in cases:
        ours = np.asarray(change(case.copy()))
        pairs.append(
            (pack(ours * (1 + noise * rng.uniform(-1, 1, ours.shape)) if noise else ours), pack(case))
        )
    return pattern(pairs, limit)


def on_columns(change: Change, *places: int) -> Change:
    def changed(rows: Floats) -> Floats:
        rows[:, places] = change(rows[:, places])
        return rows

    return changed


def on_images(change: Change) -> Change:
    return lambda rows: change(rows.reshape(-1, 3, 3)).reshape(-1, 9)


def softmax(rows: Floats) -> Floats:
    powers = np.exp(rows - rows.max(axis=1, keepdims=True))
    found: Floats = powers / powers.sum(axis=1, keepdims=True)
    return found


@pytest.mark.parametrize("noise", [0, 1e-13])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows * 256 / 255, "each number is 1.00392 (256/255) times what it was"),
        (lambda rows: -rows, "each number is -1 times what it was"),
        (lambda rows: rows * 0.123456, "each number is 0.123456 times what it was"),
        (lambda rows: rows + 1e-4, "each number is 0.0001 more than what it was"),
        (lambda rows: rows - 0.5, "each number is 0.5 less than what it was"),
        (lambda rows: 2 * rows - 1, "each number is 2 times what it was, and 1 less"),
        (lambda rows: 1 - rows, "each number is -1 times what it was, and 1 more"),
        (np.exp, "each number is the exponential of what it was"),
        (np.square, "each number is the square of what it was"),
        (np.abs, "each number is what it was without its sign"),
        (lambda rows: 1 / (1 + np.exp(-rows)), "each number is the sigmoid of what it was"),
        (softmax, "each row is the softmax of what it was"),
        (lambda rows: np.log(softmax(rows)), "each row is the log-softmax of what it was"),
        (lambda rows: rows[:, ::-1], "columns stand in reverse order"),
        (lambda rows: rows[:, [0, 1, 5, 3, 4, 2, 6, 7, 8]], "columns 2 and 5 are swapped"),
        (
            lambda rows: rows[:, [3, 1, 0, 2, 4, 5, 8, 7, 6]],
            "columns stand in another order: 3, 1, 0, 2, 4, 5, …",
        ),
        (lambda rows: np.roll(rows, 1, axis=1), "columns have moved on by one place"),
        (lambda rows: np.roll(rows, -1, axis=1), "columns have moved back by one place"),
        (on_images(lambda images: images.swapaxes(1, 2)), "images of 3 x 3 are transposed"),
        (on_images(lambda images: images[:, :, ::-1]), "images of 3 x 3 are mirrored"),
        (on_images(lambda images: images[:, ::-1]), "images of 3 x 3 are upside down"),
        (lambda rows: np.sort(rows, axis=1), "each row is sorted, from the smallest number on"),
        (lambda rows: -np.sort(-rows, axis=1), "each row is sorted, from the largest number on"),
        (on_columns(lambda columns: columns + 1e-4, 7), "column 7 is 0.0001 more than what it was"),
        (on_columns(lambda columns: columns * 3 + 1, 7), "column 7 is 3 times what it was, and 1 more"),
        (on_columns(np.sin, 7), "only column 7 of 9 differs"),
        (on_columns(np.sin, 0, 7), "only columns 0 and 7 of 9 differ"),
        (lambda rows: rows + np.arange(9), "8 columns are moved, each by an amount of its own"),
        (
            lambda rows: (rows - ONES) / (ONES + 2),
            "9 columns are scaled, each in its own way, as by a scaler that was fitted to something else",
        ),
    ],
)
def test_of_real_numbers(change: Change, said: str, noise: float) -> None:
    assert seen(change, noise=noise) == said


def half(rows: Any) -> Any:
    return rows.astype(np.float16).astype(rows.dtype)


def tensor_float(rows: Any) -> Any:
    """Rounded as tensor cores do: ten bits are left behind the first one."""
    bits = rows.astype(np.float32).view(np.uint32) + np.uint32(1 << 12)
    return (bits & np.uint32(0xFFFFE000)).view(np.float32).astype(rows.dtype)


def bfloat(rows: Any) -> Any:
    return (
        (rows.astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32).astype(rows.dtype)
    )


ELEVEN = "each number is rounded to 11 bits, which float16 and TensorFloat-32 have"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows.astype(np.float32), "each number is rounded to 24 bits, which float32 has"),
        (half, ELEVEN),
        (tensor_float, ELEVEN),
        (bfloat, "each number is rounded to 8 bits, which bfloat16 has"),
        (lambda rows: np.round(rows, 3), "each number is rounded to 3 decimals"),
        (np.trunc, "each number is what it was, cut to a whole number"),
        (np.rint, "each number is rounded to 0 decimals"),
        (lambda rows: rows * 0, "every number is 0"),
        (lambda rows: np.minimum(rows, 0.25), "numbers above 0.25 are cut off"),
        (lambda rows: np.maximum(rows, 0), "numbers below 0 are cut off"),
        (lambda rows: rows[::-1], "rows stand in another order"),
        (on_columns(lambda columns: columns * 0 + 2.5, 7), "column 7 is 2.5 in every row"),
        (on_columns(lambda columns: columns * 0, 3, 7), "columns 3 and 7 are 0 in every row"),
    ],
)
def test_of_bits(change: Change, said: str) -> None:
    assert seen(change) == said


def test_of_what_is_not_finite() -> None:
    holes = tuple(rows.copy() for rows in ROWS)
    holes[0][0, 4] = np.nan
    holes[1][2, 0] = np.inf
    assert seen(lambda rows: rows, holes) is None
    assert (
        seen(lambda rows: np.where(np.isfinite(rows), rows, 0), holes)
        == "0 stands where NaN or an infinity was"
    )
    means = seen(lambda rows: np.where(np.isfinite(rows), rows, rows[0, 1]), holes)
    assert means == "a number stands where NaN or an infinity was"
    assert seen(lambda rows: np.where(rows > 1, np.nan, rows)) == (
        f"{sum(int((rows > 1).sum()) for rows in ROWS)} numbers are NaN or infinite, and were not"
    )
    # What else is done is seen with them, too.
    assert seen(lambda rows: rows * 2, holes) == "each number is 2 times what it was"


@pytest.mark.parametrize("few", [3, 256])
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize(
    ("shape", "change", "said"),
    [
        ((5, 7, 3), lambda images: images[..., ::-1], "the three channels stand in reverse order"),
        (
            (5, 7, 4),
            lambda images: images[..., [2, 1, 0, 3]],
            "the first three channels stand in reverse order",
        ),
        ((5, 7, 3), lambda images: images[:, :, ::-1], "images of 5 x 7 are mirrored"),
        ((5, 7, 1), lambda images: images[:, ::-1], "images of 5 x 7 are upside down"),
        ((5, 7, 4), lambda images: images[:, ::-1, ::-1], "images of 5 x 7 are turned by half"),
        ((6, 6, 3), lambda images: images.swapaxes(1, 2), "images of 6 x 6 are transposed"),
        ((6, 6, 3), lambda images: np.rot90(images, 1, (1, 2)), "images of 6 x 6 are turned to the left"),
        ((6, 6, 3), lambda images: np.rot90(images, -1, (1, 2)), "images of 6 x 6 are turned to the right"),
    ],
)
def test_of_images(shape: tuple[int, ...], change: Change, said: str, *, first: bool, few: int) -> None:
    """Channels may come first or last, and many pixels may be equal."""
    pixels = np.random.default_rng(3).integers(0, few, size=(4, *shape), dtype=np.uint8)
    if not first:
        assert seen(change, (pixels,), 0) == said
        return
    turned = lambda images: change(images.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)  # noqa: E731
    assert seen(turned, (pixels.transpose(0, 3, 1, 2),), 0) == said


def test_of_images_in_one_axis() -> None:
    pixels = np.random.default_rng(3).normal(size=(4, 6, 6, 3))
    flat = (pixels.reshape(4, -1),)
    reverse = "the three channels stand in reverse order"
    assert seen(lambda rows: rows.reshape(4, 36, 3)[..., ::-1].reshape(4, -1), flat) == reverse
    assert seen(lambda rows: rows.reshape(4, 3, 36)[:, ::-1].reshape(4, -1), flat) == reverse
    mirrored = "images of 6 x 6 are mirrored"
    assert seen(lambda rows: rows.reshape(4, 6, 6, 3)[:, :, ::-1].reshape(4, -1), flat) == mirrored
    assert seen(lambda rows: rows.reshape(4, 3, 6, 6)[..., ::-1].reshape(4, -1), flat) == mirrored
    # A sample of an image that is no batch is a line of pixels.
    assert seen(lambda image: image[..., ::-1], (pixels[0],)) == reverse
    narrow = (pixels.transpose(0, 3, 1, 2)[..., :4],)
    assert seen(lambda images: images[:, ::-1], narrow) == reverse
    assert seen(lambda images: images[..., ::-1], narrow) == "images of 6 x 4 are mirrored"
    # Four columns are no image of 2 x 2.
    assert seen(lambda rows: rows[:, [0, 2, 1, 3]], (flat[0][:, :4],)) == "columns 1 and 2 are swapped"


def test_of_whole_numbers() -> None:
    labels = np.array([[3, 1, 2], [0, 5, 4], [7, 7, 1], [2, 0, 9]])
    assert seen(lambda rows: rows + 1, (labels,), 0) == "each number is 1 more than what it was"
    ranked = "2 rows have the same numbers in another order, as after an unstable sort"
    assert seen(lambda rows: np.array([[1, 3, 2], [0, 5, 4], [7, 7, 1], [0, 2, 9]]), (labels,), 0) == ranked


def test_of_cases_without_an_axis_for_samples() -> None:
    vectors = (*(rows[0] for rows in ROWS), ROWS[1][1])
    assert seen(lambda row: row[::-1], vectors) == "columns stand in reverse order"
    numbers = tuple(np.arange(1.0, size) for size in (3, 5, 4))
    assert seen(lambda row: row * 2, numbers) == "each number is 2 times what it was"
    assert seen(lambda number: number * 2, tuple(np.float64(each) for each in range(9))) is not None


def test_of_texts() -> None:
    names = np.array(["Käse", "Brot", "süße Milch"])
    assert seen(np.char.upper, (np.array(["ab", "c"]),)) == "texts differ in upper and lower case alone"
    assert seen(lambda texts: np.char.add(texts, " "), (names,)) == "texts differ in white space alone"
    misread = [name.encode().decode("latin-1") for name in names.tolist()]
    assert seen(lambda _: np.array(misread), (names,)) == "texts are UTF-8 that was read as Latin-1"
    assert seen(lambda _: np.array(["a", "b", "c"]), (names,)) is None
    assert seen(lambda _: np.array([1, 2, 3]), (names,)) is None


def test_what_fits_nothing_has_no_name() -> None:
    rng = np.random.default_rng(4)
    assert seen(lambda rows: rng.normal(size=rows.shape)) is None
    assert seen(lambda rows: rows + rng.normal(scale=1e-3, size=rows.shape)) is None
    assert seen(lambda rows: rows * (1 + 1e-13)) is None


def test_few_numbers_prove_nothing() -> None:
    assert seen(lambda rows: rows * 2, (np.array([[1.0]]), np.array([[3.0]]))) is None
    assert seen(lambda rows: rows + np.arange(9), ROWS[:1]) is None


def test_other_shapes_say_nothing() -> None:
    assert seen(lambda rows: rows[:, :4]) is None
    assert pattern([], LIMIT) is None
    assert seen(lambda rows: rows, (np.zeros((0, 4)),)) is None


def test_of_large_cases_the_first_samples_are_looked_at() -> None:
    images = np.random.default_rng(5).normal(size=(10, 3, 200, 200)).astype("f4")  # two are looked at
    small = (images[:1, :, :4, :4], images[1:2, :, :4, :4])
    assert seen(lambda rows: rows * 2, (images,), 1e-6) == "each number is 2 times what it was"
    assert seen(lambda rows: rows[:, ::-1], (images,), 1e-6) == "the three channels stand in reverse order"
    # What one case leaves no room for, others have.
    assert seen(lambda rows: rows + 1, (*small, images), 1e-6) == "each number is 1 more than what it was"
    assert seen(lambda rows: rows + 1, (images[:4].reshape(2, -1), *small), 1e-6) is not None
    whole = images[:3].reshape(1, -1)
    assert seen(lambda rows: rows * 2, (whole, whole[0])) is None


def test_numbers_near_the_ends_of_float64() -> None:
    huge = (np.array([[1e200, 2e200, 3e200, 5e200]]), np.array([[1e160, -1e160, 7e200, 1e200]]))
    assert seen(lambda rows: -rows, huge) in (None, "each number is -1 times what it was")
    assert seen(lambda rows: rows * 1e100, huge) in (None, "each number is 1e+100 times what it was")


def test_texts_with_halves_of_pairs() -> None:
    assert seen(lambda texts: np.char.add(texts, " "), (np.array(["a\ud800"]),)) == (
        "texts differ in white space alone"
    )


def test_many_columns_that_are_equal() -> None:
    mask = (np.random.default_rng(6).random((1, 200_000)) < 0.5).astype(np.float64)
    order = np.random.default_rng(7).permutation(200_000)
    said = seen(lambda rows: rows[:, order], (mask,))  # each held against all others, this would take minutes
    assert said is not None
    assert said.startswith("columns stand in another order: ")
