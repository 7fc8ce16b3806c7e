"""Lets the kernel run programs for arm64 through qemu, as long as tests want it (binfmt_misc)."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

QEMU: Final = Path("/usr/bin/qemu-aarch64-static")
_BINFMT: Final = Path("/proc/sys/fs/binfmt_misc")
_MAGIC: Final = r"\x7fELF\x02\x01\x01\x00" + r"\x00" * 8 + r"\x02\x00\xb7\x00"
_MASK: Final = r"\xff" * 7 + r"\x00" + r"\xff" * 8 + r"\xfe\xff\xff\xff"
"""The beginning of every ELF program for AArch64, shared or not (elf(5))."""


@contextmanager
def emulating() -> Iterator[None]:
    """While the block runs, programs for arm64 start as any other, in containers too."""
    if not (_BINFMT / "register").exists():
        subprocess.run(("mount", "-t", "binfmt_misc", "binfmt_misc", str(_BINFMT)), check=True)
    name = f"mlimage-test-{os.getpid()}"
    # F: the kernel opens qemu now, so that no container needs to have it
    (_BINFMT / "register").write_text(f":{name}:M::{_MAGIC}:{_MASK}:{QEMU}:F")
    try:
        yield
    finally:
        (_BINFMT / name).write_text("-1")
