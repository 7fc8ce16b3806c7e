"""The trained network in a file: its weights and nothing else, so that reading one runs no code."""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from digits.network import Network, predict, untrained

MODEL: Final = "model.weights.h5"
METRICS: Final = "metrics.json"


def folder() -> Path:
    """Where models are written and read; mlimage says it."""
    return Path(os.environ.get("MLIMAGE_MODELS", "models"))


def save(network: Network, metrics: Mapping[str, object], to: Path) -> None:
    """Write the network and what was measured of it; a reader sees each file whole or not at all."""
    to.mkdir(parents=True, exist_ok=True)
    # Beside their place, under the names that Keras asks for; then moved there.
    with tempfile.TemporaryDirectory(dir=to, prefix=".writing-") as temporary:
        network.save_weights(Path(temporary) / MODEL)
        (Path(temporary) / METRICS).write_text(json.dumps(metrics, indent=2, sort_keys=True) + "\n")
        for name in (MODEL, METRICS):
            (Path(temporary) / name).replace(to / name)


def load(path: Path) -> Network:
    """Read a network that `save` wrote.

    Raises:
        FileNotFoundError: nothing was trained yet.
        ValueError: the file has other weights than this network.
    """
    network = untrained()
    network.load_weights(path)
    return network


def scores(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the trained network gives for features: the golden record's outputs."""
    return predict(load(folder() / MODEL), rows)
