"""The network: two convolutions and two dense layers."""

from typing import Final, TypeAlias

import keras
import numpy as np
from numpy.typing import NDArray

from digits.preprocessing import SIDE

DIGITS: Final = 10

Network: TypeAlias = keras.Model
"""From n x 8 x 8 x 1 features to n x 10 probabilities."""


def untrained() -> Network:
    """A network with random weights."""
    return keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 1)),
            keras.layers.Conv2D(16, 3, padding="same", activation="relu"),
            keras.layers.Conv2D(32, 3, padding="same", activation="relu"),
            keras.layers.MaxPooling2D(2),
            keras.layers.Flatten(),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(DIGITS, activation="softmax"),
        ]
    )


def predict(network: Network, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """How probable each of the ten digits is, a row for each image."""
    # Called, not `predict`: that is for large arrays, and starts a loop with a progress bar.
    chances: NDArray[np.float32] = keras.ops.convert_to_numpy(network(features, training=False))
    return chances
