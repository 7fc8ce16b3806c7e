"""How many processors and how much memory this container may use, as both generations of cgroups tell."""

# ruff: noqa: PTH123 - every start of a container would wait for the import of `pathlib`
from __future__ import annotations

import math
import os

_UNLIMITED = 2**60


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
    found: list[float] = []
    for line in _read(f"{root}/proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        groups = _ancestors(path)
        mount = f"{root}/sys/fs/cgroup"
        if not controllers:
            found += [quota for group in groups if (quota := _version2(f"{mount}{group}"))]
        elif "cpu" in controllers.split(","):
            found += [quota for group in groups if (quota := _version1(f"{mount}/{controllers}{group}"))]
            found += [quota for group in groups if (quota := _version1(f"{mount}/cpu{group}"))]
    return min(found, default=None)


def memory_limit(root: str = "") -> int | None:
    """Bytes that the control group allows, None when it does not say: with a huge number, in version 1."""
    found: list[int] = []
    for line in _read(f"{root}/proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        mount = f"{root}/sys/fs/cgroup"
        if not controllers:
            files = [f"{mount}{group}/memory.max" for group in _ancestors(path)]
        elif "memory" in controllers.split(","):
            files = [f"{mount}/memory{group}/memory.limit_in_bytes" for group in _ancestors(path)]
        else:
            continue
        said = [_read(file).strip() for file in files]
        found += [int(text) for text in said if text.isdecimal() and int(text) < _UNLIMITED]
    return min(found, default=None)


def cgroup_version(root: str = "") -> int | None:
    """1 or 2, None where there are no control groups."""
    lines = _read(f"{root}/proc/self/cgroup").splitlines()
    if not lines:
        return None
    return 2 if all(line.startswith("0::") for line in lines) else 1


def _ancestors(path: str) -> list[str]:
    parts = [part for part in path.split("/") if part and part != ".."]
    return ["".join(f"/{part}" for part in parts[:length]) for length in range(len(parts), -1, -1)]


def _version2(group: str) -> float | None:
    words = _read(f"{group}/cpu.max").split()
    return _ratio(words[0], words[1]) if len(words) == 2 else None


def _version1(group: str) -> float | None:
    return _ratio(_read(f"{group}/cpu.cfs_quota_us"), _read(f"{group}/cpu.cfs_period_us"))


def _ratio(quota: str, period: str) -> float | None:
    try:
        numerator, denominator = int(quota), int(period)
    except ValueError:
        return None
    return numerator / denominator if numerator > 0 and denominator > 0 else None


def affinity() -> int:
    """How many processors this process may run on."""
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
