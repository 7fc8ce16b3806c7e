"""Programs that no machine can run, and that say of themselves what real ones do."""

import struct
from collections.abc import Sequence

MACHINES = {"amd64": 62, "arm64": 183}


def elf_program(loader: str = "/lib64/ld-linux-x86-64.so.2", *, architecture: str = "amd64") -> bytes:
    """A 64-bit ELF program whose only segment names its dynamic loader; without one when it is empty."""
    name = loader.encode() + b"\0"
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack(
        "<HHIQQQIHHHHHH", 3, MACHINES[architecture], 1, 0, 64, 0, 0, 64, 56, 1 if loader else 0, 0, 0, 0
    )
    segment = struct.pack("<IIQQQQQQ", 3, 4, 120, 0, 0, len(name), len(name), 1)
    return header + (segment + name if loader else b"")


def elf_library(
    soname: str,
    machine: int = MACHINES["amd64"],
    *,
    filling: bytes = b"",
    exports: str = "",
    needed: Sequence[str] = (),
) -> bytes:
    """The smallest shared library: a header, two segments, a dynamic section; no SONAME if it is empty.

    With `exports`, a symbol of that name is defined, in the older table of hashes. `needed` are names of
    libraries that it asks for.
    """
    names = b"\0" + soname.encode() + b"\0"
    strings = names + exports.encode() + b"\0"
    asked = []
    for name in needed:
        asked.append((1, len(strings)))
        strings += name.encode() + b"\0"
    table, size = 64, 56
    dynamic = table + 2 * size
    count = (2 if soname else 1) + (2 if exports else 0) + len(asked) + 1
    symbols = dynamic + count * 16
    hashes = symbols + (48 if exports else 0)
    text = hashes + (20 if exports else 0)
    entries = [*asked, *([(14, 1)] if soname else [])]
    entries += [(5, text), *([(6, symbols), (4, hashes)] if exports else []), (0, 0)]
    length = text + len(strings)
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header += struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, table, 0, 0, 64, size, 2, 0, 0, 0)
    load = struct.pack("<IIQQQQQQ", 1, 4, 0, 0, 0, length, length, 4096)
    where = struct.pack("<IIQQQQQQ", 2, 4, dynamic, dynamic, dynamic, count * 16, count * 16, 8)
    content = header + load + where + b"".join(struct.pack("<QQ", *each) for each in entries)
    if exports:
        content += bytes(24) + struct.pack("<IBBHQQ", len(names), 0x12, 0, 1, 0, 0)
        content += struct.pack("<5I", 1, 2, 1, 0, 0)
    return content + strings + filling
