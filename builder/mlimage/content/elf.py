"""Reads from shared libraries and programs the little that is asked about them."""

import struct
from collections.abc import Collection
from dataclasses import dataclass
from typing import BinaryIO, Final

_MAGIC: Final = b"\x7fELF"
_LITTLE_64: Final = b"\x02\x01"
_EXEC: Final = 2
_DYN: Final = 3
_PT_LOAD: Final = 1
_PT_DYNAMIC: Final = 2
_PT_INTERP: Final = 3
_DT_STRTAB: Final = 5
_DT_SONAME: Final = 14
_SEGMENTS: Final = 256
_DYNAMIC: Final = 1 << 16
_NAME: Final = 4096
_FARTHEST: Final = 1 << 62
MACHINES: Final = {"amd64": 62, "arm64": 183}
"""`e_machine` of each architecture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedLibrary:
    """A shared library: what machine it is for, and its own name, empty where it has none."""

    machine: int
    soname: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program: what machine it is for, and the dynamic loader that it names, empty where it needs none."""

    machine: int
    loader: str


def is_elf(head: bytes) -> bool:
    """Whether a file that begins so is a 64-bit little-endian program or library."""
    return head[:4] == _MAGIC and head[4:6] == _LITTLE_64


def read_program(stream: BinaryIO) -> Program | None:
    """Read a 64-bit little-endian program; None for anything else, a script for instance."""
    found = _head(stream, {_EXEC, _DYN})
    if found is None:
        return None
    machine, segments = found
    for segment_type, _, offset, _, _, length, _, _ in segments:
        if segment_type == _PT_INTERP:
            name = _read(stream, offset, min(length, _NAME)).partition(b"\0")[0]
            return Program(machine=machine, loader=name.decode("utf-8", "replace"))
    return Program(machine=machine, loader="")


def read_library(stream: BinaryIO) -> SharedLibrary | None:
    """Read a 64-bit little-endian shared library; None for anything else, as ldconfig(8) passes it over.

    Source: System V ABI, chapters 4 and 5; elf(5).
    """
    found = _head(stream, {_DYN})
    if found is None:
        return None
    machine, segments = found
    soname = ""
    for segment_type, _, offset, _, _, length, _, _ in segments:
        if segment_type != _PT_DYNAMIC:
            continue
        dynamic = _records(_read(stream, offset, min(length, _DYNAMIC)), 16)
        tags = dict(struct.unpack("<QQ", raw) for raw in reversed(dynamic))
        if _DT_SONAME in tags and _DT_STRTAB in tags:
            soname = _string(stream, segments, tags[_DT_STRTAB] + tags[_DT_SONAME])
        return SharedLibrary(machine=machine, soname=soname)
    return None


def _head(stream: BinaryIO, kinds: Collection[int]) -> tuple[int, list[tuple[int, ...]]] | None:
    """The machine and the segments of a file of one of these kinds; None for anything else."""
    header = stream.read(64)
    if len(header) < 64 or not is_elf(header):
        return None
    kind, machine = struct.unpack_from("<HH", header, 16)
    (table,) = struct.unpack_from("<Q", header, 32)
    size, count = struct.unpack_from("<HH", header, 54)
    if kind not in kinds or size != 56 or count > _SEGMENTS:
        return None
    return machine, [
        struct.unpack("<IIQQQQQQ", raw) for raw in _records(_read(stream, table, size * count), size)
    ]


def _read(stream: BinaryIO, offset: int, size: int) -> bytes:
    """Bytes at an offset that may be anything: none beyond what a file can have."""
    if offset > _FARTHEST:
        return b""
    stream.seek(offset)
    return stream.read(size)


def _records(content: bytes, size: int) -> list[bytes]:
    return [content[start : start + size] for start in range(0, len(content) - size + 1, size)]


def _string(stream: BinaryIO, segments: list[tuple[int, ...]], address: int) -> str:
    for segment_type, _, offset, start, _, length, _, _ in segments:
        if segment_type == _PT_LOAD and start <= address < start + length:
            return (
                _read(stream, offset + address - start, _NAME).partition(b"\0")[0].decode("utf-8", "replace")
            )
    return ""
