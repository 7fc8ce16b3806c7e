"""Programs that no machine can run, and that say of themselves what real ones do."""

import struct

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


def elf_library(soname: str, machine: int = MACHINES["amd64"], *, filling: bytes = b"") -> bytes:
    """The smallest shared library: a header, two segments, a dynamic section; no SONAME if it is empty."""
    strings = b"\0" + soname.encode() + b"\0"
    table, size = 64, 56
    dynamic = table + 2 * size
    entries = [(14, 1), (5, dynamic + 48), (0, 0)] if soname else [(5, dynamic + 48), (0, 0), (0, 0)]
    length = dynamic + 48 + len(strings)
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header += struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, table, 0, 0, 64, size, 2, 0, 0, 0)
    load = struct.pack("<IIQQQQQQ", 1, 4, 0, 0, 0, length, length, 4096)
    where = struct.pack("<IIQQQQQQ", 2, 4, dynamic, dynamic, dynamic, 48, 48, 8)
    return header + load + where + b"".join(struct.pack("<QQ", *each) for each in entries) + strings + filling
