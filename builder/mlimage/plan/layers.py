"""Which packages share a layer, and the keys by which a layer that was made before is found again."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

from mlimage.digest import Digest, canonical_json
from mlimage.lock.model import BaseLock, LockedPackage
from mlimage.plan.model import BaseLayer, Compression, PackageLayer

SEAL_VERSION: Final = 1
"""Version of everything that turns locked inputs into the bytes of a layer: the tar writer, the choice and
modes of files, the bytecode chunks, the compressor's settings. A change of any of them counts it up."""

MAX_PACKAGE_LAYERS: Final = 72
"""Of the 80 layers of an image (overlay stops at 127, and users build on top), those of packages."""


def partition(
    packages: Sequence[LockedPackage], *, single: int, bins: int
) -> tuple[tuple[str, tuple[LockedPackage, ...]], ...]:
    """Share the packages out over layers: (name of the layer, its packages in order of their names).

    While there are as many layers as packages, each package has its own, and a change of one re-makes only
    that. Beyond that, the largest of those with at least `single` bytes keep their own, and the others go
    into the bin that the hash of their name says, so that adding or upgrading a package moves no other.
    """
    ordered = sorted(packages, key=lambda package: package.name)
    if len(ordered) <= MAX_PACKAGE_LAYERS:
        return tuple((package.name, (package,)) for package in ordered)
    large = sorted((p for p in ordered if p.size >= single), key=lambda p: (-p.size, p.name))
    alone = {package.name for package in large[: MAX_PACKAGE_LAYERS - bins]}
    binned: dict[int, list[LockedPackage]] = {}
    for package in ordered:
        if package.name not in alone:
            binned.setdefault(_bin(package.name, bins), []).append(package)
    singles = tuple((package.name, (package,)) for package in ordered if package.name in alone)
    width = len(str(bins - 1))
    return singles + tuple(
        (f"packages-{number:0{width}}", tuple(binned[number])) for number in sorted(binned)
    )


def _bin(name: str, bins: int) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) % bins


def base_layer(base: BaseLock, *, compression: Compression, bytecode: bool) -> BaseLayer:
    """The layer of an assembled base."""
    key = {
        "seal": SEAL_VERSION,
        "kind": "base",
        "suite": base.suite,
        "platform": str(base.platform),
        "debs": [deb.sha256 for deb in base.debs],
        "bytecode": bytecode,
        "compression": compression,
    }
    return BaseLayer(name="base", base=base, key=Digest.of(canonical_json(key)))


def package_layers(
    packages: Sequence[LockedPackage],
    base: BaseLock,
    *,
    single: int,
    bins: int,
    compression: Compression,
    bytecode: bool,
) -> tuple[PackageLayer, ...]:
    """The layers of the packages. The interpreter counts only where it compiles them."""
    interpreter = sorted(interpreter_debs(base)) if bytecode else []
    return tuple(
        PackageLayer(
            name=name,
            packages=members,
            key=Digest.of(
                canonical_json(
                    {
                        "seal": SEAL_VERSION,
                        "kind": "packages",
                        "python": base.python,
                        "interpreter": interpreter,
                        "wheels": [package.sha256 for package in members],
                        "compression": compression,
                    }
                )
            ),
        )
        for name, members in partition(packages, single=single, bins=bins)
    )


def interpreter_debs(base: BaseLock) -> Iterable[Digest]:
    """Digests of the debs whose code compiles bytecode: the interpreter and its smallest standard library."""
    names = {f"python{base.python}-minimal", f"libpython{base.python}-minimal"}
    return (deb.sha256 for deb in base.debs if deb.name in names)
