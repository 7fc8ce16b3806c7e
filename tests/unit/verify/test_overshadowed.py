"""What a golden record cannot show, and says so."""

from typing import Any

import numpy as np
import pytest

from mlimage.runtime.golden.compare import TIERS
from mlimage.runtime.golden.record import ONE, Case, Record
from mlimage.runtime.probe.of_numpy import pack
from mlimage.verify.overshadowed import overshadowed


def record(*features: Any, name: str = ONE) -> Record:
    return Record(
        calls={}, model={}, preprocess={}, seed=0, profile="fast", fingerprint={}, tolerance=TIERS,
        cases=tuple(
            Case(
                name=f"{number}.json", content_type="application/json", raw=b"",
                features={name: pack(array)}, outputs={},
            )
            for number, array in enumerate(features)
        ),
    )  # fmt: skip


def test_a_time_beside_an_age() -> None:
    rows = np.array([[1.7e9, 35, 2, 0.12], [1.6e9, 70, 3, 0.9]])
    assert overshadowed(record(rows.astype("f4"))) == (
        (
            "features: columns 1, 2, 3 cannot be seen beside numbers of 1.6e+09: differences of 1.6e+03 "
            "pass, and the largest there is 70; give arrays of their own (a dict)"
        ),
    )
    assert overshadowed(record(rows, name="rows")) == (
        (
            "features `rows`: column 3 cannot be seen beside numbers of 1.6e+09: differences of 0.16 pass, "
            "and the largest there is 0.9; give arrays of their own (a dict)"
        ),
    )


@pytest.mark.parametrize(
    "rows",
    [
        np.random.default_rng(1).normal(size=(4, 30)),
        np.random.default_rng(1).normal(size=(4, 30)).astype("f4"),
        np.array([[1.0, 0.0], [2.0, 0.0]]),  # nothing is there that could hide
        np.array([[1.0, 1e-17], [2.0, 1e-16]]),  # rounding
        np.array([[1e9, 1.0], [0.0, 1.0]]),  # one row shows it
        np.array([[np.nan, 1.0], [np.inf, 1.0]]),
        np.array([[1 << 40, 1]]),  # whole numbers are compared exactly
        np.array([1e12, 1.0]),
        np.ones((1, 3, 600, 600)),
        np.zeros((0, 3)),
    ],
    ids=str,
)
def test_nothing_is_hidden(rows: Any) -> None:
    assert overshadowed(record(rows, rows)) == ()


def test_rows_of_all_cases_count() -> None:
    assert overshadowed(record(np.array([[1e12, 1.0]]), np.array([[1.0, 1.0]]))) == ()
    assert len(overshadowed(record(np.array([[1e12, 1.0]]), np.array([[1e12, 2.0]])))) == 1
