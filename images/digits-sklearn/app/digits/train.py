"""Train on scikit-learn's digits, say how good the model is, and write it."""

import argparse
import logging
import os
import sys
import time

from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split

from digits.model import MODEL, folder, save
from digits.preprocessing import features

log = logging.getLogger("digits.train")


def main() -> None:
    """Train with the arguments of the command line."""
    arguments = _arguments()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    seed = int(os.environ.get("MLIMAGE_SEED", "0"))

    data = load_digits()
    train_x, test_x, train_y, test_y = train_test_split(
        features(data.images),
        data.target,
        test_size=arguments.test_size,
        random_state=seed,
        stratify=data.target,
    )
    log.info("training on %d images, testing on %d others, seed %d", len(train_x), len(test_x), seed)

    started = time.monotonic()
    model = LogisticRegression(C=arguments.regularization, max_iter=arguments.iterations, random_state=seed)
    model.fit(train_x, train_y)
    accuracy = float(accuracy_score(test_y, model.predict(test_x)))
    log.info("accuracy %.4f after %.1f s", accuracy, time.monotonic() - started)

    metrics = {"accuracy": accuracy, "seed": seed, "tested_on": len(test_x), "trained_on": len(train_x)}
    save(model, metrics, folder())
    log.info("wrote %s", folder() / MODEL)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="train", description=__doc__)
    parser.add_argument("--test-size", type=float, default=0.25, help="part that is only tested on (0.25)")
    parser.add_argument("--regularization", type=float, default=1.0, help="inverse strength, C (1.0)")
    parser.add_argument("--iterations", type=int, default=1000, help="at most so many iterations (1000)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
