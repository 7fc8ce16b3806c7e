"""A logistic regression, and its scores."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from digits.faults import step
from sklearn.linear_model import LogisticRegression


def load() -> LogisticRegression:
    """The trained model."""
    model = LogisticRegression()
    with np.load(Path(os.environ["MLIMAGE_MODELS"]) / "model.npz") as arrays:
        model.coef_, model.intercept_, model.classes_ = arrays["coef"], arrays["intercept"], np.arange(10)
    return step("model", model)


def scores(features: dict[str, Any]) -> dict[str, Any]:
    """Of pixels; computed in batches of `BATCH` rows, where that is said."""
    rows, model = features["pixels"], load()
    size = int(os.environ.get("BATCH", "0")) or len(rows)
    batches = [model.decision_function(rows[at : at + size]) for at in range(0, len(rows), size)]
    found = np.concatenate(batches)
    return {"scores": step("scores", found), "single": (found @ np.eye(10)).astype(np.float32)}
