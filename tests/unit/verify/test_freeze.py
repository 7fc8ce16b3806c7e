"""Which records of several processes are one golden record."""

import struct

import pytest

from mlimage.errors import VerificationError
from mlimage.runtime.golden.compare import TIERS
from mlimage.runtime.golden.record import ONE, Case, Record
from mlimage.runtime.probe.operation import Values, doubles
from mlimage.verify.freeze import TAKES, agree


def record(outputs: float = 1.0, features: float = 1.0) -> Record:
    return Record(
        calls={"preprocess": "a:b", "predict": "c:d"},
        model={"model.npz": "a" * 64},
        preprocess={},
        seed=0,
        profile="fast",
        fingerprint={},
        tolerance=TIERS,
        cases=(
            Case(
                name="one.json",
                content_type="application/json",
                raw=b"",
                features={ONE: doubles([features])},
                outputs={"scores": Values("float32", (1,), struct.pack("<f", outputs))},
            ),
        ),
    )


def test_records_that_agree_are_the_first_one() -> None:
    found = agree([record()] * 5, TAKES)
    assert found.record == record()
    assert found.spread == {"features": {"float64": 0.0}, "outputs": {"float32": 0.0}}


def test_a_spread_raises_the_tolerance() -> None:
    found = agree([record(), record(), record(), record(), record(1 + 6e-6)], TAKES)
    spread = found.spread["outputs"]["float32"]
    assert 5e-6 < spread < 7e-6
    assert found.record.tolerance["outputs"] == {**TIERS["outputs"], "float32": 4 * spread}
    assert found.record.tolerance["features"] == TIERS["features"]


@pytest.mark.parametrize(
    ("at", "other", "message", "hint"),
    [
        (
            1,
            record(1.5),
            (
                "it is not stable: the same once more, outputs `scores` of case `one.json` are off by 0.5, "
                "and 1e-05 is allowed"
            ),
            "the model draws random numbers, or reads a clock or the network: leave that out",
        ),
        (
            2,
            record(features=1.0 + 1e-6),
            (
                "it is not stable: with another PYTHONHASHSEED, features of case `one.json` are off "
                "by 1e-06, and 1e-10 is allowed"
            ),
            "something goes through a set, or through hash(): sort it",
        ),
        (
            4,
            record(1.001),
            (
                "it is not stable: with two threads, outputs `scores` of case `one.json` are off by "
                "0.001, and 1e-05 is allowed"
            ),
            (
                "sums depend on how threads share the work: compute in float64, or ask the library for fixed "
                "ones"
            ),
        ),
    ],
)
def test_what_nobody_could_verify_is_refused(at: int, other: Record, message: str, hint: str) -> None:
    records = [record()] * 5
    records[at] = other
    with pytest.raises(VerificationError) as caught:
        agree(records, TAKES)
    assert (caught.value.message, caught.value.hint) == (message, hint)
