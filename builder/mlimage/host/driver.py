"""The NVIDIA driver of this machine."""

import re
from pathlib import Path
from typing import Final

from mlimage.process import Command, Runner

KERNEL: Final = Path("/proc/driver/nvidia/version")
_VERSION: Final = re.compile(r"Kernel Module(?: for \S+)?\s+(\d+(?:\.\d+)+)")
_ALONE: Final = re.compile(r"\d+(?:\.\d+)+\Z")


def nvidia_driver(run: Runner, *, kernel: Path = KERNEL) -> str | None:
    """Its version, `535.104.05`; None where there is none.

    The kernel's module says it; in the Linux of Windows, which has none, `nvidia-smi` does.

    Args:
        run: starts processes.
        kernel: the file in which the module says it.
    """
    try:
        found = _VERSION.search(kernel.read_text(errors="replace"))
    except OSError:
        found = None
    if found:
        return found[1]
    try:
        # With the person's PATH: in the Linux of Windows it lies in a folder of its own.
        done = run(
            Command(argv=("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"), inherit=True)
        )
    except OSError:
        return None
    first = done.text.strip().splitlines()[:1]
    return first[0].strip() if done.status == 0 and first and _ALONE.match(first[0].strip()) else None
