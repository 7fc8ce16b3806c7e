"""Which packages share a layer, and the keys by which a layer that was made before is found again."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

from mlimage.digest import Digest, canonical_json
from mlimage.lock.collisions import Allowed
from mlimage.lock.model import AssembledBase, BaseLock, Deb, ImageBase, ImageLayer, LockedPackage
from mlimage.lock.roles import OwnPackages
from mlimage.plan.model import (
    AptLayer,
    BaseLayer,
    Compression,
    LibraryLayer,
    PackageLayer,
    PulledLayer,
    Yield,
)

SEAL_VERSION: Final = 1
"""Version of everything that turns locked inputs into the bytes of a layer: the tar writer, the choice and
modes of files, the bytecode chunks, the compressor's settings. A change of any of them counts it up."""

MAX_IMAGE_LAYERS: Final = 80
"""Layers of an image: overlay stops at 127, and users build on top."""
MAX_PACKAGE_LAYERS: Final = 72
"""Those of packages, fewer where the base has more than one could expect."""


_OWN_LAYERS: Final = 2
"""The runtime's and the application's."""


def partition(
    packages: Sequence[LockedPackage],
    *,
    single: int,
    bins: int,
    most: int = MAX_PACKAGE_LAYERS,
    name: str = "packages",
) -> tuple[tuple[str, tuple[LockedPackage, ...]], ...]:
    """Share the packages out over layers: (name of the layer, its packages in order of their names).

    While there are as many layers as packages, each package has its own, and a change of one re-makes only
    that. Beyond that, the largest of those with at least `single` bytes keep their own, and the others go
    into the bin that the hash of their name says, so that adding or upgrading a package moves no other.
    There are at most `most` layers, at least 1. A bin is called `NAME-NUMBER`.
    """
    ordered = sorted(packages, key=lambda package: package.name)
    if len(ordered) <= most:
        return tuple((package.name, (package,)) for package in ordered)
    bins = min(bins, most)
    large = sorted((p for p in ordered if p.size >= single), key=lambda p: (-p.size, p.name))
    alone = {package.name for package in large[: most - bins]}
    binned: dict[int, list[LockedPackage]] = {}
    for package in ordered:
        if package.name not in alone:
            binned.setdefault(_bin(package.name, bins), []).append(package)
    singles = tuple((package.name, (package,)) for package in ordered if package.name in alone)
    width = len(str(bins - 1))
    return singles + tuple((f"{name}-{number:0{width}}", tuple(binned[number])) for number in sorted(binned))


def _bin(name: str, bins: int) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) % bins


def base_layers(
    base: BaseLock, *, compression: Compression, bytecode: bool
) -> tuple[BaseLayer | PulledLayer | LibraryLayer | AptLayer, ...]:
    """The layers below those of the packages, bottom first."""
    match base:
        case AssembledBase():
            return (base_layer(base, compression=compression, bytecode=bytecode),)
        case ImageBase():
            return (
                *pulled_layers(base),
                *_library_layers(base, compression=compression, bytecode=bytecode),
                *_apt_layers(base, compression=compression),
            )


def pulled_layers(base: ImageBase) -> tuple[PulledLayer, ...]:
    """The layers of an image that is the base. How this image is compressed does not touch them."""
    return tuple(
        PulledLayer(name=f"base-{number}", layer=layer, key=pulled_key(layer))
        for number, layer in enumerate(base.layers, 1)
    )


def pulled_key(layer: ImageLayer) -> Digest:
    """By which a layer is found that was held against its diff_id before."""
    return Digest.of(
        canonical_json(
            {
                "kind": "pulled",
                "digest": layer.digest,
                "diff_id": layer.diff_id,
                "size": layer.size,
                "media_type": layer.media_type,
            }
        )
    )


def _of_wheel(package: LockedPackage) -> Sequence[str | int]:
    """All that is believed of a wheel: a layer is known only by what was held against the file itself."""
    return package.name, str(package.version), package.file, package.size, package.sha256


def _of_deb(deb: Deb) -> Sequence[str | int | None]:
    """Likewise of a Debian package."""
    return deb.name, deb.version, deb.architecture, deb.path, deb.size, deb.sha256, deb.postinst


def _library_layers(base: ImageBase, *, compression: Compression, bytecode: bool) -> tuple[LibraryLayer, ...]:
    if not bytecode or base.installation.bytecode:
        return ()
    key = {
        "seal": SEAL_VERSION,
        "kind": "library",
        "below": [layer.diff_id for layer in base.layers],
        "program": base.installation.program,
        "library": base.installation.library,
        "compression": compression,
    }
    return (LibraryLayer(name="library", base=base, key=Digest.of(canonical_json(key))),)


def _apt_layers(base: ImageBase, *, compression: Compression) -> tuple[AptLayer, ...]:
    if not base.debs:
        return ()  # nothing is asked for, or the image has it already
    key = {
        "seal": SEAL_VERSION,
        "kind": "apt",
        "below": [layer.diff_id for layer in base.layers],
        "debs": [_of_deb(deb) for deb in base.debs],
        "compression": compression,
    }
    return (AptLayer(name="apt", packages=base.packages, debs=base.debs, key=Digest.of(canonical_json(key))),)


def base_layer(base: AssembledBase, *, compression: Compression, bytecode: bool) -> BaseLayer:
    """The layer of an assembled base."""
    key = {
        "seal": SEAL_VERSION,
        "kind": "base",
        "suite": base.suite,
        "platform": str(base.platform),
        "debs": [_of_deb(deb) for deb in base.debs],
        "bytecode": bytecode,
        "compression": compression,
    }
    return BaseLayer(name="base", base=base, key=Digest.of(canonical_json(key)))


def package_layers(
    packages: Sequence[LockedPackage],
    base: BaseLock,
    *,
    own: OwnPackages | None = None,
    allowed: Sequence[Allowed] = (),
    single: int,
    bins: int,
    compression: Compression,
    bytecode: bool,
) -> tuple[PackageLayer, ...]:
    """The layers of the packages. The interpreter counts only where it compiles them.

    Those that one role has alone (`own`) come last, so that the images of both roles begin with the same
    layers.
    """
    interpreter = interpreter_digests(base) if bytecode else []
    most = min(MAX_PACKAGE_LAYERS, max(1, MAX_IMAGE_LAYERS - _OWN_LAYERS - _layers_of(base)))
    yields = yields_of(packages, allowed)
    return tuple(
        PackageLayer(
            name=name,
            packages=members,
            yields=(mine := tuple(each for package in members for each in yields.get(package.name, ()))),
            key=Digest.of(
                canonical_json(
                    {
                        "seal": SEAL_VERSION,
                        "kind": "packages",
                        "python": base.python,
                        "interpreter": interpreter,
                        "wheels": [_of_wheel(package) for package in members],
                        "compression": compression,
                        **({"yields": [_of_yield(each) for each in mine]} if mine else {}),
                    }
                )
            ),
        )
        for name, members in _members(packages, own, single=single, bins=bins, most=most)
    )


def yields_of(
    packages: Sequence[LockedPackage], allowed: Sequence[Allowed]
) -> Mapping[str, tuple[Yield, ...]]:
    """To which others each package loses files, as the spec settles it, by name of the package."""
    by_name = {package.name: package for package in packages}
    found: dict[str, tuple[Yield, ...]] = {}
    for each in allowed:
        if each.keep in by_name:
            for name in sorted(set(each.packages) & by_name.keys() - {each.keep}):
                mine = Yield(package=name, to=by_name[each.keep], paths=each.paths)
                found[name] = (*found.get(name, ()), mine)
    return found


def _of_yield(each: Yield) -> Sequence[object]:
    return each.package, _of_wheel(each.to), each.paths


def _members(
    packages: Sequence[LockedPackage], own: OwnPackages | None, *, single: int, bins: int, most: int
) -> tuple[tuple[str, tuple[LockedPackage, ...]], ...]:
    """The packages of each layer."""
    if own is None:
        return partition(packages, single=single, bins=bins, most=most)
    kept = min(most - 1, bins, own.most)
    shared = [package for package in packages if package.name not in own.names]
    alone = [package for package in packages if package.name in own.names]
    return partition(shared, single=single, bins=bins, most=most - kept) + (
        partition(alone, single=single, bins=bins, most=kept, name=own.role) if alone else ()
    )


def interpreter_digests(base: BaseLock) -> Sequence[Digest]:
    """Digests of that whose code compiles bytecode.

    Of an assembled base these are the debs with the interpreter and its smallest standard library, sorted; of
    an image all its layers, since nothing says which of them has what.
    """
    match base:
        case AssembledBase():
            names = {f"python{base.python}-minimal", f"libpython{base.python}-minimal"}
            return sorted(deb.sha256 for deb in base.debs if deb.name in names)
        case ImageBase():
            return [layer.diff_id for layer in base.layers]


def _layers_of(base: BaseLock) -> int:
    return len(base.layers) + 1 + bool(base.debs) if isinstance(base, ImageBase) else 1
