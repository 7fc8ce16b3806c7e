"""The trained network in a file: plain arrays, no pickle, so that reading one runs no code."""

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from digits.network import Network, logits

MODEL: Final = "model.npz"
METRICS: Final = "metrics.json"


def folder() -> Path:
    """Where models are written and read; mlimage says it."""
    return Path(os.environ.get("MLIMAGE_MODELS", "models"))


def save(network: Network, metrics: Mapping[str, object], to: Path) -> None:
    """Write the network and what was measured of it; a reader sees each file whole or not at all."""
    to.mkdir(parents=True, exist_ok=True)
    _write(to / MODEL, lambda stream: np.savez(stream, **network._asdict()))
    text = json.dumps(metrics, indent=2, sort_keys=True) + "\n"
    _write(to / METRICS, lambda stream: stream.write(text.encode()))


def load(path: Path) -> Network:
    """Read a network that `save` wrote.

    Raises:
        FileNotFoundError: nothing was trained yet.
        ValueError: the file is no network of this program.
    """
    with np.load(path, allow_pickle=False) as arrays:
        missing = set(Network._fields) - set(arrays)
        if missing:
            raise ValueError(f"{path} has no `{min(missing)}`")
        return Network(**{name: jnp.asarray(arrays[name]) for name in Network._fields})


def scores(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the trained network gives for features: the golden record's outputs."""
    return np.asarray(logits(load(folder() / MODEL), jnp.asarray(rows)))


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
