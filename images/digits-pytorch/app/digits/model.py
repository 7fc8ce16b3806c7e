"""The trained network in a file: its tensors and nothing else, so that reading one runs no code."""

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

import numpy as np
import torch
from numpy.typing import NDArray

from digits.network import DEVICE, Network

MODEL: Final = "model.pt"
METRICS: Final = "metrics.json"


def folder() -> Path:
    """Where models are written and read; mlimage says it."""
    return Path(os.environ.get("MLIMAGE_MODELS", "models"))


def save(network: Network, metrics: Mapping[str, object], to: Path) -> None:
    """Write the network and what was measured of it; a reader sees each file whole or not at all."""
    to.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.cpu() for name, tensor in network.state_dict().items()}
    _write(to / MODEL, lambda stream: torch.save(tensors, stream))
    text = json.dumps(metrics, indent=2, sort_keys=True) + "\n"
    _write(to / METRICS, lambda stream: stream.write(text.encode()))


def load(path: Path) -> Network:
    """Read a network that `save` wrote.

    Raises:
        FileNotFoundError: nothing was trained yet.
        RuntimeError: the file has other tensors than this network.
        pickle.UnpicklingError: the file has more than tensors.
    """
    network = Network()
    # Only tensors are read: of the pickle that PyTorch writes around them, nothing is run.
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.to(DEVICE)


def scores(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the trained network gives for features: the golden record's outputs."""
    network = load(folder() / MODEL)
    network.eval()
    with torch.inference_mode():
        found: NDArray[np.float32] = network(torch.from_numpy(rows).to(DEVICE)).cpu().numpy()
    return found


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
