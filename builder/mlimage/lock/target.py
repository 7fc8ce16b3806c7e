"""What the python of a locked base is, told by the base alone: for platforms that this machine cannot run.

Where it can be run, `Interpreter.describe` asks it, and says the same.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from packaging.tags import compatible_tags, cpython_tags

from mlimage.content.interpreter import Target
from mlimage.lock.model import AssembledBase, BaseLock, ImageBase
from mlimage.platforms import Platform

_LEGACY: Final = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
"""Older names of `manylinux_2_N` (PEP 600)."""
_OLDEST_GLIBC: Final = {"amd64": 5, "arm64": 17}
"""The first minor version of glibc 2 that there are wheels for (PEP 513, PEP 599)."""


def target_of(base: BaseLock) -> Target:
    """The target of a base with glibc; raises `ValueError` for an assembled one without python or glibc."""
    version, glibc = _version(base), _glibc(base)
    if version is None or glibc is None:
        raise ValueError("a base without python or glibc")
    major, minor = (int(part) for part in base.python.split("."))
    name = f"cp{major}{minor}"
    platforms = list(_platforms(base.platform, glibc))
    tags = (
        *cpython_tags((major, minor), abis=[name], platforms=platforms),
        *compatible_tags((major, minor), interpreter=name, platforms=platforms),
    )
    return Target(markers=markers_of(base), tags=tuple(map(str, tags)), version=version, glibc=glibc)


def markers_of(base: BaseLock) -> Mapping[str, str]:
    """The environment of PEP 508 markers; nothing of it is this machine's."""
    full = _version(base) or f"{base.python}.0"
    return {
        "os_name": "posix",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": base.platform.machine,
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
        "python_version": base.python,
        "python_full_version": full,
        "implementation_version": full,
        "platform_release": "",
        "platform_version": "",
    }


def _platforms(platform: Platform, glibc: str) -> Iterator[str]:
    """Platform tags in the order of `packaging`, the newest glibc first (PEP 600)."""
    yield f"linux_{platform.machine}"
    newest = int(glibc.split(".")[1])
    for minor in range(newest, _OLDEST_GLIBC[platform.architecture] - 1, -1):
        yield f"manylinux_2_{minor}_{platform.machine}"
        if minor in _LEGACY:
            yield f"{_LEGACY[minor]}_{platform.machine}"


def _version(base: BaseLock) -> str | None:
    match base:
        case ImageBase():
            return base.installation.version
        case AssembledBase():
            return _upstream(base, f"python{base.python}-minimal")


def _glibc(base: BaseLock) -> str | None:
    match base:
        case ImageBase():
            return base.installation.glibc
        case AssembledBase():
            return _upstream(base, "libc6")


def _upstream(base: AssembledBase, package: str) -> str | None:
    """The upstream part of a deb's version, as `3.11.2` of `3.11.2-6+deb12u6` (deb-version(7))."""
    found = next((deb.version for deb in base.debs if deb.name == package), "")
    upstream = re.match(r"(?:\d+:)?(\d+(?:\.\d+)+)", found)
    return upstream[1] if upstream else None
