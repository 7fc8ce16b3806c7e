"""What this CPU is, as the kernel tells it, and whether another one pretends to be it."""

# ruff: noqa: PTH123 - every start of a container would wait for the import of `pathlib`
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
        emulated: whether this machine is of another architecture, or says itself that it emulates this one.
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
    # User emulation gives the programs of one architecture the `/proc/cpuinfo` of the other.
    other = "vendor_id" in said if is_arm else "CPU implementer" in said
    vendor = said.get("vendor_id") or said.get("CPU implementer", "")
    return Cpu(
        architecture=own,
        vendor=vendor,
        family=said.get("cpu family") or said.get("CPU architecture", ""),
        model=said.get("model") or said.get("CPU part", ""),
        flags=frozenset((said.get("flags") or said.get("Features", "")).split()),
        emulated=other or vendor == "VirtualApple",
    )


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
