"""The seed of a program."""

from __future__ import annotations

import os

from mlimage.runtime import hooks


def seed(value: int | None = None) -> int:
    """Seed random, numpy, torch and tensorflow: what is imported now, what will be later. Gives the seed.

    In an image that was done at each import already; call it to begin anew, or with another seed. JAX has no
    state of its own: `jax.random.key(seed())`.

    Args:
        value: by default the image's seed (`determinism.seed` of mlimage.yaml), and 0 where there is none.

    Raises:
        ValueError: the seed is negative, or MLIMAGE_SEED is no whole number.
    """
    said = os.environ.get("MLIMAGE_SEED") or "0"
    if value is None and not said.isdecimal():
        raise ValueError(f"MLIMAGE_SEED={said} is no whole number")
    chosen = int(said) if value is None else value
    if chosen < 0:
        raise ValueError(f"the seed {chosen} is negative")
    hooks.seed_again(chosen)
    return chosen
