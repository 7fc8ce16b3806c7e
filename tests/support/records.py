"""A golden record of one case, for tests of what becomes of records."""

from mlimage.runtime.golden.compare import TIERS
from mlimage.runtime.golden.record import ONE, Case, Record
from mlimage.runtime.probe.operation import doubles


def small_record(*, model: str = "a" * 64, preprocess: str = "b" * 64) -> Record:
    """The record; `model` and `preprocess` are the digests of the files that it names."""
    return Record(
        calls={"preprocess": "features:transform", "predict": "model:scores"},
        model={"model.npz": model},
        preprocess={"app/features.py": preprocess},
        seed=0,
        profile="fast",
        fingerprint={},
        tolerance=TIERS,
        cases=(
            Case(
                name="one.json",
                content_type="application/json",
                raw=b"1",
                features={ONE: doubles([1.0])},
                outputs={"output": doubles([1.0])},
            ),
        ),
    )
