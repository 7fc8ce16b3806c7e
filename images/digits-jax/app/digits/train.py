"""Train on scikit-learn's digits, say how good the model is, and write it."""

import argparse
import logging
import os
import sys
import time
from typing import Final, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from digits.model import MODEL, folder, save
from digits.network import Network, logits, predict, untrained
from digits.preprocessing import features
from mlimage_runtime import record

log = logging.getLogger("digits.train")

MOMENTUM: Final = 0.9
State: TypeAlias = tuple[Network, Network]
"""The network, and which way its numbers are going."""


def main() -> None:
    """Train with the arguments of the command line."""
    arguments = _arguments()
    logging.basicConfig(format="%(message)s", stream=sys.stdout)
    log.setLevel(logging.INFO)
    seed = int(os.environ.get("MLIMAGE_SEED", "0"))
    first, then = jax.random.split(jax.random.key(seed))

    data = load_digits()
    train_x, test_x, _, test_images, train_y, test_y = train_test_split(
        features(data.images),
        data.images,
        data.target,
        test_size=arguments.test_size,
        random_state=seed,
        stratify=data.target,
    )
    log.info("training on %d images, testing on %d others, seed %d", len(train_x), len(test_x), seed)

    started = time.monotonic()
    network = _fit(untrained(first), then, train_x, train_y, arguments)
    chances = predict(network, test_x)
    accuracy = float((chances.argmax(axis=1) == test_y).mean())
    log.info("accuracy %.4f after %.1f s", accuracy, time.monotonic() - started)

    metrics = {"accuracy": accuracy, "seed": seed, "tested_on": len(test_x), "trained_on": len(train_x)}
    save(network, metrics, folder())
    _keep_requests(test_images, test_y, chances)
    log.info("wrote %s", folder() / MODEL)


def _keep_requests(
    images: NDArray[np.float64], digits: NDArray[np.int64], chances: NDArray[np.float32]
) -> None:
    """For the golden record: an image of each digit, those that are hardest to decide, and all at once."""
    usual = [int(np.flatnonzero(digits == digit)[0]) for digit in range(10)]
    best = np.sort(chances, axis=1)
    hard = np.argsort(best[:, -1] - best[:, -2], kind="stable")[:6].tolist()
    for digit, place in enumerate(usual):
        record({"instances": [images[place].tolist()]}, f"usual-{digit}")
    for number, place in enumerate(hard, 1):
        record({"instances": [images[place].tolist()]}, f"undecided-{number}")
    record({"instances": images[usual + hard].tolist()}, "batch")
    record({"instances": [[[0] * 8] * 8, [[16] * 8] * 8]}, "paper-and-ink")


def _fit(
    network: Network,
    key: jax.Array,
    images: NDArray[np.float32],
    digits: NDArray[np.int64],
    arguments: argparse.Namespace,
) -> Network:
    """Stochastic gradient descent with momentum."""
    x, y = jnp.asarray(images), jnp.asarray(digits)
    velocity = jax.tree.map(jnp.zeros_like, network)

    def loss_of(network: Network, rows: jax.Array) -> jax.Array:
        chances = jax.nn.log_softmax(logits(network, x[rows]))
        return -jnp.take_along_axis(chances, y[rows, None], axis=1).mean()

    def step(state: State, rows: jax.Array) -> tuple[State, jax.Array]:
        network, velocity = state
        loss, gradients = jax.value_and_grad(loss_of)(network, rows)
        velocity = jax.tree.map(lambda v, g: MOMENTUM * v + g, velocity, gradients)
        return (jax.tree.map(lambda w, v: w - arguments.rate * v, network, velocity), velocity), loss

    @jax.jit
    def epoch(state: State, key: jax.Array) -> tuple[State, jax.Array]:
        # What is left of the images after the last whole batch has its turn in another epoch.
        order = jax.random.permutation(key, len(x))[: len(x) // arguments.batch_size * arguments.batch_size]
        state, losses = jax.lax.scan(step, state, order.reshape(-1, arguments.batch_size))
        return state, losses.mean()

    state = network, velocity
    for number, each in enumerate(jax.random.split(key, arguments.epochs), 1):
        state, loss = epoch(state, each)
        log.info("epoch %d of %d: loss %.4f", number, arguments.epochs, loss)
    return state[0]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="train", description=__doc__)
    parser.add_argument("--test-size", type=float, default=0.25, help="part that is only tested on (0.25)")
    parser.add_argument("--epochs", type=int, default=40, help="how often each image is seen (40)")
    parser.add_argument("--batch-size", type=int, default=32, help="images in a step (32)")
    parser.add_argument("--rate", type=float, default=0.05, help="learning rate (0.05)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
