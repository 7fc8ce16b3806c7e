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
