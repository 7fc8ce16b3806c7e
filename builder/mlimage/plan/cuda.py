"""What a lock says about CUDA: versions, and what the driver of the machine must be. Pure.

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

from mlimage.errors import BuildError
from mlimage.lock.model import LockedPackage
from mlimage.spec.variants import CPU

_FILE: Final = Path(__file__).with_suffix(".toml")
_IN_NAME: Final = re.compile(r"-cu(?:da)?(1\d)\d?x?(?=-|\Z)")
"""`nvidia-cublas-cu12`, `jax-cuda13-plugin`, `cupy-cuda12x`, `nvidia-dali-cuda120`."""
_IN_LABEL: Final = re.compile(r"cu(1\d)(\d)?(?!\d)")
"""`2.13.0+cu126`, `2.8.3+cu12torch2.6`."""
_SHOWN: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CudaFacts:
    """The CUDA of an image.

    Attributes:
        version: `13.0`, or `13` where nothing in the lock is more exact.
        cudnn: version of cuDNN; None where it is not locked.
        nccl: version of NCCL; None where it is not locked.
        driver: the oldest driver that runs it; None where that is not known.
    """

    version: str
    cudnn: str | None
    nccl: str | None
    driver: str | None

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels of the image that say it."""
        labels = {"cuda": self.version, "cudnn": self.cudnn, "nccl": self.nccl, "min-driver": self.driver}
        return {f"dev.mlimage.{name}": value for name, value in labels.items() if value}

    @property
    def env(self) -> Mapping[str, str]:
        """What NVIDIA's container runtime reads: it starts no container on a driver that is too old.

        The first minor version is asked for, since a driver for it runs the later ones.

        There is no `LD_LIBRARY_PATH`: the frameworks find the libraries of `nvidia-*` wheels on their own,
        and one that is set would win over the RUNPATH of all others. Read from the wheels:

        - torch 2.13.0: RPATH `$ORIGIN/../../nvidia/cudnn/lib` and its like, up to `nvidia/cu13/lib`; where
          that fails, its `_preload_cuda_deps` looks through `sys.path`.
        - tensorflow 2.20.0: RUNPATH `$ORIGIN/../nvidia/cublas/lib` and its like, in the library that opens
          them; it has an NCCL of its own inside.
        - jax-cuda13-plugin 0.12.0.1, jax-cuda12-plugin 0.10.2: RPATH `$ORIGIN/../nvidia/cu13/lib`, or
          `nvidia/cublas/lib` and its like; before, `_load_nvidia_libraries` of jax_plugins opens all by path.
        - nvidia-cudnn-cu12 9.28.0.42: RUNPATH `$ORIGIN/../../cublas/lib:$ORIGIN/../../cuda_nvrtc/lib`.
        """
        return {
            "NVIDIA_VISIBLE_DEVICES": "all",
            "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
            "NVIDIA_REQUIRE_CUDA": f"cuda>={_major(self.version)}.0",
        }


def cuda_facts(packages: Sequence[LockedPackage]) -> CudaFacts | None:
    """The CUDA of these packages; None where none of them is for CUDA.

    Raises:
        BuildError: they are for two major versions of CUDA.
    """
    signs = _signs(packages)
    majors = sorted({_major(version) for version in signs.values()}, key=int)
    if not majors:
        return None
    if len(majors) > 1:
        groups = [[p for p in packages if _major(signs.get(p.name, "")) == major] for major in majors]
        listed = " and ".join(
            f"CUDA {major} ({_named(group)})" for major, group in zip(majors, groups, strict=True)
        )
        raise BuildError(
            f"an image has one CUDA, and the lock has packages of {listed}",
            hint="lock releases or builds (`indexes:`) for one CUDA, or give each an image of its own",
        )
    rules = _rules()
    by_name = {_plain(package.name): package for package in packages}
    exact = [signs[by_name[name].name] for name in rules["toolkit"] if name in by_name]
    return CudaFacts(
        version=exact[0] if exact else max(signs.values(), key=len),
        cudnn=_version(by_name.get(rules["cudnn"])),
        nccl=_version(by_name.get(rules["nccl"])),
        driver=rules["drivers"].get(majors[0]),
    )


def check_accelerator(accelerator: str, packages: Sequence[LockedPackage], *, variant: str) -> None:
    """Refuse packages of CUDA in a variant for the CPU, before anything of them is fetched.

    Raises:
        BuildError: names them, who asks for them, and the ways out.
    """
    signs = _signs(packages)
    if accelerator == CPU and signs:
        named = _named([package for package in packages if package.name in signs])
        raise BuildError(
            f"the variant `{variant}` is for the CPU, and its lock has packages of CUDA ({named})",
            hint=WAYS_OUT,
        )


WAYS_OUT: Final = (
    "take what is built for the CPU: from an index of such builds (`indexes:`, as for torch), without an "
    "extra (`tensorflow`, not `tensorflow[and-cuda]`) or under another name (`xgboost-cpu`); or set "
    "`accelerator: cuda` in the variant"
)
"""What to do about CUDA in a variant for the CPU."""


def _signs(packages: Sequence[LockedPackage]) -> dict[str, str]:
    """The CUDA that packages are for, as exact as each says it: `13.0` or `13`, by name of the package."""
    return {package.name: sign for package in packages if (sign := _sign(package)) is not None}


def _sign(package: LockedPackage) -> str | None:
    if _plain(package.name) in _rules()["toolkit"]:
        return f"{package.version.major}.{package.version.minor}"
    label = _IN_LABEL.search(package.version.local or "")
    if label:
        return ".".join(part for part in label.groups() if part)
    name = _IN_NAME.search(package.name)
    return name[1] if name else None


def _plain(name: str) -> str:
    return _IN_NAME.sub("", name)


def _major(version: str) -> str:
    return version.partition(".")[0]


def _version(package: LockedPackage | None) -> str | None:
    return str(package.version) if package else None


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


@cache
def _rules() -> Mapping[str, Any]:
    return tomllib.loads(_FILE.read_text("utf-8"))
