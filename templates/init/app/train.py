"""Trains a small model and writes it to the folder of models: replace it with your own."""

import os
from pathlib import Path

import numpy as np

from features import features

# mlimage sets these in the image; the defaults let the program run outside as well.
MODELS = Path(os.environ.get("MLIMAGE_MODELS", "models"))
SEED = int(os.environ.get("MLIMAGE_SEED", "0"))


def main() -> None:
    """Fit the four weights by least squares to noisy samples of a known surface."""
    random = np.random.default_rng(SEED)
    observations = random.uniform(-1.0, 1.0, size=(500, 2))
    truth = np.array([0.5, 2.0, -1.0, 3.0])
    targets = features(observations) @ truth + random.normal(scale=0.1, size=500)

    weights, *_ = np.linalg.lstsq(features(observations), targets, rcond=None)
    error = float(np.sqrt(np.mean((features(observations) @ weights - targets) ** 2)))

    MODELS.mkdir(parents=True, exist_ok=True)
    np.savez(MODELS / "model.npz", weights=weights)
    print(f"root mean square error {error:.4f}; model written to {MODELS / 'model.npz'}")


if __name__ == "__main__":
    main()
