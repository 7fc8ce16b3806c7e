"""The seed of a program."""

from __future__ import annotations

import os


def seed(value: int | None = None) -> int:
    """Seed what is imported of random, numpy, torch, tensorflow and jax, and what will be; gives the seed.

    In an image this was done at each import already; call it to begin anew, or with another seed.

    Args:
        value: the seed; by default the one of the spec (`determinism.seed`), or 0 outside of an image.
    """
    from mlimage.runtime import hooks

    os.environ.setdefault(hooks.SEED, "0")
    if value is not None:
        os.environ[hooks.SEED] = str(value)
    hooks.install()
    hooks.seed_all()
    return int(os.environ[hooks.SEED])
