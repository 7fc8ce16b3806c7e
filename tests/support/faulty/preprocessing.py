"""From a request to features of many kinds."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from digits.faults import new_reduction, new_scaler, step
from sklearn.datasets import load_digits, load_wine
from sklearn.preprocessing import KBinsDiscretizer

PIXELS = load_digits().data / 16
WINES = load_wine().data
SCALER = new_scaler().fit(PIXELS)
REDUCTION = new_reduction().fit(PIXELS)
# Without `quantile_method`: what that is by default depends on the version of scikit-learn.
BINS = KBinsDiscretizer(10, encode="ordinal").fit(WINES)


def pixels(query: Mapping[str, Any]) -> Any:
    """From 0 to 1; images may be squares or rows."""
    return np.stack([np.asarray(image, dtype=np.float64).reshape(64) for image in query["instances"]]) / 16


def of_request(query: Mapping[str, Any]) -> dict[str, Any]:
    """All features."""
    rows = pixels(query)
    wines = WINES[(rows.sum(axis=1) * 7).astype(int) % len(WINES)]
    return {
        "pixels": step("pixels", rows),
        "scaled": step("scaled", SCALER.transform(rows)),
        "parts": REDUCTION.transform(rows),
        "bins": BINS.transform(wines),
        "order": np.argsort(rows, axis=1, kind=step("sorting", "stable")),
        "holes": step("holes", np.where(rows == 0, np.nan, rows)),
        "names": np.array(step("names", [f"größe {row.sum():.3f}" for row in rows])),
    }
