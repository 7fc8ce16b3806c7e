"""How many processors this container may really use, as affinity and both generations of cgroups tell it."""

# ruff: noqa: PTH123 - every start of a container would wait for the import of `pathlib`
from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_Limit = TypeVar("_Limit", int, float)

_ENDLESS = 1 << 60
"""Bytes from which on a limit of memory is none."""


def thread_count(root: str = "") -> int:
    """Threads for numeric libraries: the processors of the affinity mask, at most the CPU quota, at least 1.

    A quota that is no whole number is rounded up: the last thread is then throttled, but a quota of 1.5 still
    has two processors' worth of memory bandwidth.

    Args:
        root: where `proc` and `sys` lie, for tests.
    """
    available = affinity()
    quota = cpu_quota(root)
    return available if quota is None else max(1, min(available, math.ceil(quota)))


def cpu_quota(root: str = "") -> float | None:
    """Processors that the control group allows, None when it does not say.

    Every group up to the root limits; groups that this container does not see are left out. Version 2 writes
    `cpu.max` (https://docs.kernel.org/admin-guide/cgroup-v2.html), version 1 `cpu.cfs_quota_us`.
    """
    return min(_of_groups(root, "cpu", _quota2, _quota1), default=None)


def memory_limit(root: str = "") -> int | None:
    """Bytes that the control group allows, None when it does not say; `root` as for `thread_count`.

    Version 2 writes `memory.max`, version 1 `memory.limit_in_bytes`, a number beyond all memory for none.
    """
    found = _of_groups(root, "memory", _memory2, _memory1)
    return min((limit for limit in found if limit < _ENDLESS), default=None)


def _of_groups(
    root: str,
    controller: str,
    version2: Callable[[str], _Limit | None],
    version1: Callable[[str], _Limit | None],
) -> list[_Limit]:
    """The limits of this process's groups, all those above them included."""
    found: list[_Limit | None] = []
    for line in _read(f"{root}/proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        groups = _ancestors(path)
        mount = f"{root}/sys/fs/cgroup"
        if not controllers:
            found += [version2(f"{mount}{group}") for group in groups]
        elif controller in controllers.split(","):
            found += [version1(f"{mount}/{controllers}{group}") for group in groups]
            found += [version1(f"{mount}/{controller}{group}") for group in groups]
    return [limit for limit in found if limit]


def _ancestors(path: str) -> list[str]:
    parts = [part for part in path.split("/") if part and part != ".."]
    return ["".join(f"/{part}" for part in parts[:length]) for length in range(len(parts), -1, -1)]


def _quota2(group: str) -> float | None:
    words = _read(f"{group}/cpu.max").split()
    return _ratio(words[0], words[1]) if len(words) == 2 else None


def _quota1(group: str) -> float | None:
    return _ratio(_read(f"{group}/cpu.cfs_quota_us"), _read(f"{group}/cpu.cfs_period_us"))


def _memory2(group: str) -> int | None:
    return _number(_read(f"{group}/memory.max"))


def _memory1(group: str) -> int | None:
    return _number(_read(f"{group}/memory.limit_in_bytes"))


def _number(text: str) -> int | None:
    return int(text) if text.strip().isdecimal() else None


def _ratio(quota: str, period: str) -> float | None:
    try:
        numerator, denominator = int(quota), int(period)
    except ValueError:
        return None
    return numerator / denominator if numerator > 0 and denominator > 0 else None


def affinity() -> int:
    """Processors that this process may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        return os.cpu_count() or 1


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""
