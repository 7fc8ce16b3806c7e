"""Features of the model: training and serving import the same function, so they cannot differ."""

from collections.abc import Mapping, Sequence

import numpy as np

SIZE = 2
"""Numbers that one observation has."""


def features(observations: Sequence[Sequence[float]]) -> np.ndarray:
    """Make what the model sees, shape (n, 4), of observations, shape (n, SIZE)."""
    values = np.asarray(observations, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != SIZE:
        message = f"expected a list of observations with {SIZE} numbers each"
        raise ValueError(message)
    x, y = values[:, 0], values[:, 1]
    return np.stack([np.ones_like(x), x, y, x * y], axis=1)


def of_request(request: Mapping) -> np.ndarray:
    """Make what the model sees of a request, {"observations": [[x, y], ...]}."""
    return features(request["observations"])
