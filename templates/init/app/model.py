"""The trained model: its file, and what it gives for features."""

import os
from functools import cache
from pathlib import Path

import numpy as np

# mlimage sets it in the image; the default lets the programs run outside as well.
FILE = Path(os.environ.get("MLIMAGE_MODELS", "models")) / "model.npz"


def save(weights: np.ndarray) -> None:
    """Write the weights to the folder of models."""
    FILE.parent.mkdir(parents=True, exist_ok=True)
    np.savez(FILE, weights=weights)


@cache
def load() -> np.ndarray:
    """Read the weights, once."""
    if not FILE.is_file():
        raise SystemExit(f"no model at {FILE}: train first")
    with np.load(FILE) as model:
        return model["weights"]


def predict(rows: np.ndarray) -> np.ndarray:
    """Say what the model gives for features, shape (n,)."""
    return rows @ load()
