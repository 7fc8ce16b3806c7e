"""What this CPU is, as the kernel tells it, and whether another one pretends to be it.

Signs of emulation, each of which is enough:

- `/proc/self/exe`, which emulators of programs (qemu-user, FEX) make up, and `/proc/thread-self/exe`, which
  they do not, name different programs. Rosetta, which makes up neither, names itself in both.
- The kernel describes a CPU of another architecture than the one of this process.
- The CPU says itself that it is emulated: Rosetta, and qemu without KVM, but for models that it imitates by
  name.

What cannot be told: a whole machine that qemu imitates without KVM under the name of a real CPU.
"""

# ruff: noqa: PTH115, PTH123 - every start of a container would wait for the import of `pathlib`
from __future__ import annotations

import os
from typing import NamedTuple


class Cpu(NamedTuple):
    """A CPU.

    Attributes:
        architecture: as `uname -m` has it: `x86_64`, `aarch64`.
        vendor: `AuthenticAMD`, `GenuineIntel`, or on Arm the implementer's number; empty when unknown.
        family: its number; on Arm the architecture's.
        model: its number; on Arm the part's.
        flags: the instructions that it has, in the kernel's words.
        emulated: whether a program imitates it; its flags are then those of the CPU below.
    """

    architecture: str
    vendor: str
    family: str
    model: str
    flags: frozenset[str]
    emulated: bool


def read_cpu(root: str = "", architecture: str | None = None) -> Cpu:
    """Look at this machine.

    Args:
        root: where `proc` lies, for tests.
        architecture: what the process runs as; looked up when None.
    """
    said = _first(f"{root}/proc/cpuinfo")
    own = architecture or os.uname().machine
    is_arm = own in {"aarch64", "arm64"}
    other = "vendor_id" in said if is_arm else "CPU implementer" in said
    vendor = said.get("vendor_id") or said.get("CPU implementer", "")
    imitated = vendor == "VirtualApple" or said.get("model name", "").startswith("QEMU TCG CPU")
    return Cpu(
        architecture=own,
        vendor=vendor,
        family=said.get("cpu family") or said.get("CPU architecture", ""),
        model=said.get("model") or said.get("CPU part", ""),
        flags=frozenset((said.get("flags") or said.get("Features", "")).split()),
        emulated=other or imitated or _has_emulator(root),
    )


def _has_emulator(root: str) -> bool:
    """Whether another program runs this one."""
    shown, real = (_target(f"{root}/proc/{which}/exe") for which in ("self", "thread-self"))
    return bool(shown and real) and (shown != real or real.rpartition("/")[2].startswith("rosetta"))


def _target(link: str) -> str:
    try:
        return os.readlink(link)
    except OSError:  # no /proc, or one of a sandbox that lacks it
        return ""


def _first(path: str) -> dict[str, str]:
    """What stands of the first processor."""
    found: dict[str, str] = {}
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            for line in stream:
                name, colon, value = line.partition(":")
                if not colon and found:
                    break
                if colon:
                    found[name.strip()] = value.strip()
    except OSError:
        pass
    return found
