"""Locks with all kinds of parts, for SBOMs and provenance."""

from dataclasses import replace

from mlimage.lock.model import Lock
from support import locks


def lock_of_all() -> Lock:
    """Wheels with licences of every kind, one of an index of its own, and debs."""
    numpy = replace(
        locks.package("numpy", "2.4.6"),
        license="BSD-3-Clause AND 0BSD AND MIT",
        required_by=("-r dependencies", "torch"),
    )
    torch = replace(
        locks.package("torch", "2.13.0+cpu"), index="pytorch-cpu", license="LicenseRef-NVIDIA-Proprietary"
    )
    plain = replace(locks.package("typing-extensions", "4.16.0"), required_by=("torch",))
    scipy = replace(
        locks.package("scipy", "1.17.1"), license="BSD License", required_by=("-r serve.dependencies",)
    )
    lock = locks.lock([numpy, scipy, torch, plain])
    return replace(lock, base=locks.base("libstdc++6", "python3.11-minimal"))


def lock_on_image() -> Lock:
    """The same on an image of a registry."""
    return locks.on_image(lock_of_all(), locks.image_base(debs=["libgomp1"]))
