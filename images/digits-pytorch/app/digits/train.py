"""Train on scikit-learn's digits, say how good the model is, and write it."""

import argparse
import logging
import os
import sys
import time

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

from digits.model import MODEL, folder, save
from digits.network import DEVICE, Network, predict
from digits.preprocessing import features
from mlimage_runtime import record

log = logging.getLogger("digits.train")


def main() -> None:
    """Train with the arguments of the command line."""
    arguments = _arguments()
    logging.basicConfig(format="%(message)s", stream=sys.stdout)
    log.setLevel(logging.INFO)
    seed = int(os.environ.get("MLIMAGE_SEED", "0"))
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
    # So small a network is faster with one thread, and computes the same whatever the number of processors.
    torch.set_num_threads(1)

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
    network = Network().to(DEVICE)
    _fit(network, train_x, train_y, arguments)
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
    network: Network, images: NDArray[np.float32], digits: NDArray[np.int64], arguments: argparse.Namespace
) -> None:
    x, y = torch.from_numpy(images).to(DEVICE), torch.from_numpy(digits).to(DEVICE)
    optimizer = torch.optim.Adam(network.parameters(), lr=arguments.rate)
    network.train()
    for epoch in range(1, arguments.epochs + 1):
        total = 0.0
        # Drawn on the CPU, where a seed gives the same order whatever the device.
        for batch in torch.randperm(len(x)).split(arguments.batch_size):
            rows = batch.to(DEVICE)
            loss = nn.functional.cross_entropy(network(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        log.info("epoch %d of %d: loss %.4f", epoch, arguments.epochs, total / len(x))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="train", description=__doc__)
    parser.add_argument("--test-size", type=float, default=0.25, help="part that is only tested on (0.25)")
    parser.add_argument("--epochs", type=int, default=20, help="how often each image is seen (20)")
    parser.add_argument("--batch-size", type=int, default=64, help="images in a step (64)")
    parser.add_argument("--rate", type=float, default=0.002, help="learning rate (0.002)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
