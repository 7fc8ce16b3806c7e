"""What may go wrong in each step, by the variable `FAULT`: no file shows it.

Harmless changes go the same way, by the variable `BATCH`.
"""

import os
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import MinMaxScaler, StandardScaler

DEFAULT: Final = ""


def _squares(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda rows: change(rows.reshape(-1, 8, 8)).reshape(-1, 64)


def _tensor_float(rows: Any) -> Any:
    bits = rows.astype(np.float32).view(np.uint32) + np.uint32(1 << 12)
    return (bits & np.uint32(0xFFFFE000)).view(np.float32).astype(np.float64)


def _softmax(rows: Any) -> Any:
    powers = np.exp(rows - rows.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _weight(model: LogisticRegression) -> LogisticRegression:
    model.coef_[3, 20] *= 1.01
    return model


def _intercepts(model: LogisticRegression) -> LogisticRegression:
    model.intercept_ = model.intercept_ * 0
    return model


STEPS: Final[dict[str, dict[str, Callable[[Any], Any]]]] = {
    "pixels": {
        "/255 for /256": lambda rows: rows * 256 / 255,
        "a mean shifted by 1e-4": lambda rows: rows - 1e-4,
        "normalized to -1…1": lambda rows: rows * 2 - 1,
        "shuffled features": lambda rows: rows[:, np.random.default_rng(5).permutation(64)],
        "a column too early": lambda rows: np.roll(rows, -1, axis=1),
        "a transposed image": _squares(lambda images: images.swapaxes(1, 2)),
        "a mirrored image": _squares(lambda images: images[:, :, ::-1]),
        "float32 for float64": lambda rows: rows.astype(np.float32),
        "values cut off": lambda rows: np.minimum(rows, 0.75),
        "one dead column": lambda rows: np.where(np.arange(64) == 20, 0.0, rows),
        "a missing flatten": lambda rows: rows.reshape(-1, 8, 8),
    },
    "scaler": {"StandardScaler for MinMaxScaler": lambda _: StandardScaler()},
    "scaled": {
        "inputs rounded as by TF32": _tensor_float,
        "inputs rounded to float16": lambda rows: rows.astype(np.float16).astype(np.float64),
    },
    "reduction": {
        "unseeded PCA": lambda _: PCA(
            8, svd_solver="randomized", iterated_power=0, random_state=int.from_bytes(os.urandom(4), "big")
        ),
        "whitened PCA": lambda _: PCA(8, svd_solver="full", whiten=True),
    },
    "sorting": {"argsort that is not stable": lambda _: "quicksort"},
    "holes": {
        "NaN filled with 0": np.nan_to_num,
        "NaN filled with the mean": lambda rows: np.where(np.isnan(rows), np.nanmean(rows), rows),
    },
    "names": {
        "UTF-8 read as Latin-1": lambda names: [name.encode().decode("latin-1") for name in names],
        "white space left": lambda names: [f"{name} " for name in names],
    },
    "model": {"one changed weight": _weight, "forgotten intercepts": _intercepts},
    "scores": {
        "softmax for logits": _softmax,
        "classes in reverse order": lambda rows: rows[:, ::-1],
        "two swapped classes": lambda rows: rows[:, [0, 1, 2, 8, 4, 5, 6, 7, 3, 9]],
        "another temperature": lambda rows: rows / 1.5,
        "dropout left on": lambda rows: rows * (np.random.default_rng().random(rows.shape) > 0.1) / 0.9,
        "scores in half precision": lambda rows: rows.astype(np.float16).astype(np.float64),
        "statistics of the batch": lambda rows: rows - rows.mean(axis=0) if len(rows) > 1 else rows,
        "labels for scores": lambda rows: rows.argmax(axis=1),
        "a NaN": lambda rows: np.where(np.arange(10) == 4, np.nan, rows),
    },
    "served": {"preprocessing left out of the server": lambda rows: rows * 16},
    "answer": {
        "probabilities rounded": lambda answer: {**answer, "probability": round(answer["probability"], 2)},
        "another field": lambda answer: {"label": answer["digit"], "probability": answer["probability"]},
        "digits as texts": lambda answer: {**answer, "digit": str(answer["digit"])},
        "percent": lambda answer: {**answer, "probability": answer["probability"] * 100},
    },
}


def step(name: str, value: Any) -> Any:
    """The value, or what the fault makes of it."""
    return STEPS[name].get(os.environ.get("FAULT", DEFAULT), lambda same: same)(value)


def new_scaler() -> Any:
    """What pixels are scaled by."""
    return step("scaler", MinMaxScaler())


def new_reduction() -> Any:
    """What they are reduced by."""
    return step("reduction", PCA(8, svd_solver="full"))
