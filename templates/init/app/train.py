"""Trains a small model and writes it to the folder of models: replace it with your own."""

import os

import numpy as np

from features import features
from model import FILE, save

# mlimage sets it in the image; the default lets the program run outside as well.
SEED = int(os.environ.get("MLIMAGE_SEED", "0"))


def main() -> None:
    """Fit the four weights by least squares to noisy samples of a known surface."""
    random = np.random.default_rng(SEED)
    observations = random.uniform(-1.0, 1.0, size=(500, 2))
    truth = np.array([0.5, 2.0, -1.0, 3.0])
    targets = features(observations) @ truth + random.normal(scale=0.1, size=500)

    weights, *_ = np.linalg.lstsq(features(observations), targets, rcond=None)
    error = float(np.sqrt(np.mean((features(observations) @ weights - targets) ** 2)))

    save(weights)
    print(f"root mean square error {error:.4f}; model written to {FILE}")


if __name__ == "__main__":
    main()
