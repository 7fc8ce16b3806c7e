"""What the profile `strict` says to libraries in words that differ from version to version."""

import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from packaging.version import Version

from mlimage.lock.model import LockedPackage
from mlimage.platforms import LINUX_AMD64, Platform

_MAX_ISA: Final = Version("0.5")
"""Of jaxlib, from which on it surely knows `xla_cpu_max_isa`."""
_FILE: Final = Path(__file__).with_name("numpy.toml")


def numpy_features(packages: Sequence[LockedPackage], platform: Platform) -> tuple[str, ...]:
    """What `NPY_DISABLE_CPU_FEATURES` must name for the numpy among these; empty where there is none.

    >>> numpy_features((), Platform("linux", "amd64"))
    ()
    """
    found = next((package for package in packages if package.name == "numpy"), None)
    if found is None:
        return ()
    fitting = [each for each in _since() if Version(each["version"]) <= found.version]
    return tuple(fitting[-1][platform.architecture]) if fitting else ()


def xla_flags(packages: Sequence[LockedPackage], platform: Platform) -> tuple[str, ...]:
    """The flags for the XLA among these, if any: it ends the process at one that it does not know."""
    versions = {package.name: package.version for package in packages}
    flags = []
    if versions.keys() & {"jaxlib", "tensorflow"}:
        flags.append("--xla_gpu_deterministic_ops=true")
    if "jaxlib" in versions and versions["jaxlib"] >= _MAX_ISA and platform == LINUX_AMD64:
        flags.append("--xla_cpu_max_isa=AVX2")
    return tuple(flags)


@cache
def _since() -> tuple[dict[str, Any], ...]:
    return tuple(tomllib.loads(_FILE.read_text(encoding="utf-8"))["since"])
