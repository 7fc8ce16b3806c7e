"""The trained model in a file: plain arrays, no pickle, so that reading one runs no code."""

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

MODEL: Final = "model.npz"
METRICS: Final = "metrics.json"
_ARRAYS: Final = ("classes_", "coef_", "intercept_")
"""All that a fitted `LogisticRegression` needs to predict."""


def folder() -> Path:
    """Where models are written and read; mlimage says it."""
    return Path(os.environ.get("MLIMAGE_MODELS", "models"))


def save(model: LogisticRegression, metrics: Mapping[str, object], to: Path) -> None:
    """Write the model and what was measured of it; a reader sees each file whole or not at all."""
    to.mkdir(parents=True, exist_ok=True)
    _write(to / MODEL, lambda stream: np.savez(stream, **{name: getattr(model, name) for name in _ARRAYS}))
    text = json.dumps(metrics, indent=2, sort_keys=True) + "\n"
    _write(to / METRICS, lambda stream: stream.write(text.encode()))


def load(path: Path) -> LogisticRegression:
    """Read a model that `save` wrote.

    Raises:
        FileNotFoundError: nothing was trained yet.
        ValueError: the file is no model of this program.
    """
    model = LogisticRegression()
    with np.load(path, allow_pickle=False) as arrays:
        for name in _ARRAYS:
            if name not in arrays:
                raise ValueError(f"{path} has no `{name}`")
            setattr(model, name, arrays[name])
    model.n_features_in_ = model.coef_.shape[1]
    return model


def scores(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the trained model gives for features, before it decides: the golden record's outputs."""
    return load(folder() / MODEL).decision_function(rows)


def _write(path: Path, fill: Callable[[IO[bytes]], object]) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(descriptor, 0o644)
            fill(stream)
            stream.flush()
            os.fsync(descriptor)
        Path(temporary).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise
