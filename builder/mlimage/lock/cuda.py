"""What locked packages say about CUDA, and what of it cannot be in one image. Pure.

It is read from names and versions of what is locked, never from a table of frameworks, which would be wrong
with their next release.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from mlimage.errors import ResolveError
from mlimage.lock.model import LockedPackage
from mlimage.spec.requirements import SpecRequirement
from mlimage.spec.variants import CPU

_FILE: Final = Path(__file__).with_suffix(".toml")
_IN_NAME: Final = re.compile(r"-cu(?:da)?(1\d)\d?x?(?=-|\Z)")
"""`nvidia-cublas-cu12`, `jax-cuda13-plugin`, `cupy-cuda12x`, `nvidia-dali-cuda120`."""
_IN_LABEL: Final = re.compile(r"cu(1\d)(\d)?(?!\d)")
"""`2.13.0+cu126`, `2.8.3+cu12torch2.6`."""
_SHOWN: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfit:
    """Packages that an image cannot have.

    Attributes:
        message: names them, and who asks for them.
        hint: the ways out.
        packages: them.
    """

    message: str
    hint: str
    packages: tuple[LockedPackage, ...]


def unfit(packages: Sequence[LockedPackage], *, accelerator: str, variant: str) -> Unfit | None:
    """Packages of CUDA in a variant for the CPU, or of two major versions of CUDA; None where all is well."""
    signs = signs_of(packages)
    groups: dict[str, list[LockedPackage]] = {}
    for package in packages:
        if package.name in signs:
            groups.setdefault(major_of(signs[package.name]), []).append(package)
    cuda = tuple(package for package in packages if package.name in signs)
    if cuda and accelerator == CPU:
        return Unfit(
            message=f"the variant `{variant}` is for the CPU, and has packages of CUDA ({_named(cuda)})",
            hint=WAYS_OUT,
            packages=cuda,
        )
    if len(groups) > 1:
        listed = " and ".join(f"CUDA {major} ({_named(groups[major])})" for major in sorted(groups, key=int))
        return Unfit(
            message=f"an image has one CUDA, and the variant `{variant}` has packages of {listed}",
            hint="take releases or builds (`indexes:`) for one CUDA, or give each an image of its own",
            packages=cuda,
        )
    return None


def refuse_unfit(
    packages: Sequence[LockedPackage],
    requirements: Sequence[SpecRequirement],
    *,
    accelerator: str,
    variant: str,
) -> None:
    """Refuse what was just resolved and cannot be one image, before it is locked.

    Raises:
        ResolveError: with the place of a requirement that brings such a package.
    """
    found = unfit(packages, accelerator=accelerator, variant=variant)
    if found is None:
        return
    bringing = _bringing({package.name for package in found.packages}, packages)
    where = next((item.where for item in requirements if _name(item) in bringing), None)
    raise ResolveError(found.message, where=where, hint=found.hint)


WAYS_OUT: Final = (
    "take what is built for the CPU: from an index of such builds (`indexes:`, as for torch), without an "
    "extra (`tensorflow`, not `tensorflow[and-cuda]`) or under another name (`xgboost-cpu`); or set "
    "`accelerator: cuda` in the variant"
)
"""What to do about CUDA in a variant for the CPU."""


def signs_of(packages: Sequence[LockedPackage]) -> dict[str, str]:
    """The CUDA that packages are for, as exact as each says it: `13.0` or `13`, by name of the package."""
    return {package.name: sign for package in packages if (sign := _sign(package)) is not None}


def major_of(version: str) -> str:
    """`13` of `13.0`."""
    return version.partition(".")[0]


def plain(name: str) -> str:
    """The name of a package without the CUDA that it is for."""
    return _IN_NAME.sub("", name)


@cache
def rules() -> Mapping[str, Any]:
    """What `cuda.toml` says."""
    return tomllib.loads(_FILE.read_text("utf-8"))


def _sign(package: LockedPackage) -> str | None:
    if plain(package.name) in rules()["toolkit"]:
        return f"{package.version.major}.{package.version.minor}"
    label = _IN_LABEL.search(package.version.local or "")
    if label:
        return ".".join(part for part in label.groups() if part)
    name = _IN_NAME.search(package.name)
    return name[1] if name else None


def _named(packages: Sequence[LockedPackage]) -> str:
    """Some names, and who asks for them that is none of them."""
    names = [package.name for package in packages]
    more = len(names) - _SHOWN
    listed = ", ".join(f"`{name}`" for name in names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
    askers = sorted(set(_askers(packages)) - set(names))
    return f"{listed}, asked for by {', '.join(f'`{name}`' for name in askers)}" if askers else listed


def _askers(packages: Sequence[LockedPackage]) -> Iterator[str]:
    for package in packages:
        for asker in package.required_by:
            yield asker.removeprefix("-r ")


def _bringing(names: set[str], packages: Sequence[LockedPackage]) -> set[str]:
    """These packages, and all that ask for them, directly or not."""
    by_name = {package.name: package for package in packages}
    found: set[str] = set()
    waiting = set(names)
    while waiting:
        found |= waiting
        waiting = {
            asker for name in waiting for asker in by_name[name].required_by if asker in by_name
        } - found
    return found


def _name(item: SpecRequirement) -> str:
    return canonicalize_name(Requirement(item.text).name)
