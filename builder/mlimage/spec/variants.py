"""What holds for one variant of a spec: its accelerator, and the package indexes that it sees."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from mlimage.spec.model import ImageSpec, Index

CPU = "cpu"
NAME: Final = r"[a-z0-9]+(?:[._-][a-z0-9]+)*"
"""Pattern of the name of a variant, which has up to 64 letters."""


def is_variant(text: str) -> bool:
    """Whether a variant can have this name."""
    return bool(re.fullmatch(NAME, text)) and len(text) <= 64


def accelerator_of(spec: "ImageSpec", variant: str) -> str:
    """The hardware that a variant is for.

    >>> accelerator_of(spec, "cuda12")  # doctest: +SKIP
    'cuda'
    """
    found = re.match(r"[a-z]+", variant)
    return spec.variants[variant].accelerator or (found[0] if found else variant)


def indexes_of(spec: "ImageSpec", variant: str) -> "Mapping[str, Index]":
    """The indexes besides the default one by name. A package of the variant's own comes from nowhere else."""
    own = spec.variants[variant].indexes
    taken = {canonicalize_name(package) for index in own.values() for package in index.packages}
    shared = {}
    for name, index in spec.indexes.items():
        packages = tuple(package for package in index.packages if canonicalize_name(package) not in taken)
        if packages and name not in own:
            shared[name] = index.model_copy(update={"packages": packages})
    return {**shared, **own}


def in_order(spec: "ImageSpec") -> tuple[str, ...]:
    """The variants as they are resolved: those of an accelerator first, which have the most packages.

    What the first one gets, the others get too.
    """
    return tuple(sorted(spec.variants, key=lambda variant: accelerator_of(spec, variant) == CPU))
