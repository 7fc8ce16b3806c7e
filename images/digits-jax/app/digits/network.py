"""The network: two dense layers, as plain functions of plain arrays."""

from typing import Final, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from digits.preprocessing import PIXELS

HIDDEN: Final = 128
DIGITS: Final = 10


class Network(NamedTuple):
    """Weights and biases of both layers."""

    hidden_weights: jax.Array
    hidden_biases: jax.Array
    output_weights: jax.Array
    output_biases: jax.Array


def untrained(key: jax.Array) -> Network:
    """A network with random weights."""
    hidden, output = jax.random.split(key)
    initial = jax.nn.initializers.he_normal()
    return Network(
        hidden_weights=initial(hidden, (PIXELS, HIDDEN)),
        hidden_biases=jnp.zeros(HIDDEN),
        output_weights=initial(output, (HIDDEN, DIGITS)),
        output_biases=jnp.zeros(DIGITS),
    )


def logits(network: Network, features: jax.Array) -> jax.Array:
    """From n rows of 64 features to n x 10 logits."""
    hidden = jax.nn.relu(features @ network.hidden_weights + network.hidden_biases)
    return hidden @ network.output_weights + network.output_biases


def predict(network: Network, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """How probable each of the ten digits is, a row for each image."""
    # JAX compiles anew for each number of rows: with these few, a server soon has them all.
    rows = 1 << (len(features) - 1).bit_length()
    padded = np.pad(features, ((0, rows - len(features)), (0, 0)))
    return np.asarray(_chances(network, padded))[: len(features)]


@jax.jit
def _chances(network: Network, features: jax.Array) -> jax.Array:
    return jax.nn.softmax(logits(network, features))
