"""A control group for one sandbox, where this user may make one: version 2 only.

https://docs.kernel.org/admin-guide/cgroup-v2.html
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from mlimage.host.request import Limits
from mlimage.signals import deferred

MOUNT: Final = Path("/sys/fs/cgroup")
_PERIOD: Final = 100_000
"""Microseconds in which the quota of processor time is counted; the kernel's own default."""
_ATTEMPTS: Final = 50
_NEEDED: Final = frozenset({"memory.max", "cpu.max"})


def files(limits: Limits) -> dict[str, str]:
    """What is written to which file of a group for these limits; empty when nothing is limited. Pure."""
    found: dict[str, str] = {}
    if limits.memory is not None:
        found |= {"memory.max": str(limits.memory), "memory.swap.max": "0", "memory.oom.group": "1"}
    if limits.cpus is not None:
        found["cpu.max"] = f"{max(1000, round(limits.cpus * _PERIOD))} {_PERIOD}"
    return found


def parent_for(limits: Limits, own: str, mount: Path = MOUNT) -> Path | None:
    """The nearest group above this process that can have one with these limits; None when there is none.

    A group with processes cannot have groups with limits below it, so the search begins above our own.

    Args:
        limits: what is to be limited.
        own: the content of `/proc/self/cgroup`.
        mount: where the groups are.
    """
    wanted = {name.partition(".")[0] for name in files(limits)}
    path = next((line[3:] for line in own.splitlines() if line.startswith("0::")), None)
    if path is None or not wanted:
        return None
    parts = [part for part in path.split("/") if part]
    for length in range(max(0, len(parts) - 1), -1, -1):
        folder = mount.joinpath(*parts[:length])
        try:
            enabled = set((folder / "cgroup.subtree_control").read_text().split())
        except OSError:
            continue
        if wanted <= enabled and os.access(folder, os.W_OK) and os.access(folder / "cgroup.procs", os.W_OK):
            return folder
    return None


@contextmanager
def limited(limits: Limits, parent: Path) -> Iterator[Path]:
    """A group with these limits, removed with everything that still runs in it; raises `OSError`."""
    for left in parent.glob("mlimage-[0-9]*-[0-9]*"):  # by a process that was killed; one in use stays
        if not Path("/proc", left.name.split("-")[1]).exists():
            with suppress(OSError):
                left.rmdir()
    group = parent / f"mlimage-{os.getpid()}-{time.monotonic_ns()}"
    try:
        group.mkdir()
        for name, value in files(limits).items():
            # Kernels without swap, or before 4.19, lack the two that only sharpen the limit.
            if name in _NEEDED or (group / name).exists():
                (group / name).write_text(value)
        yield group
    finally:
        with deferred():
            _remove(group)


def was_out_of_memory(group: Path) -> bool:
    """Whether the kernel killed a process of the group for its memory."""
    try:
        lines = (group / "memory.events").read_text().splitlines()
    except OSError:
        return False
    return any(line.startswith("oom_kill ") and line != "oom_kill 0" for line in lines)


def _remove(group: Path) -> None:
    with suppress(OSError):
        (group / "cgroup.kill").write_text("1")
    # A group can be removed once its last process is gone for good, a moment after the kill.
    for _ in range(_ATTEMPTS):
        try:
            group.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.02)
        else:
            return
