"""Reads from shared libraries and programs the little that is asked about them."""

import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

_MAGIC: Final = b"\x7fELF"
_LITTLE_64: Final = b"\x02\x01"
_EXEC: Final = 2
_DYN: Final = 3
_PT_LOAD: Final = 1
_PT_DYNAMIC: Final = 2
_PT_INTERP: Final = 3
_DT_NULL: Final = 0
_DT_NEEDED: Final = 1
_DT_HASH: Final = 4
_DT_STRTAB: Final = 5
_DT_SYMTAB: Final = 6
_DT_SONAME: Final = 14
_DT_GNU_HASH: Final = 0x6FFFFEF5
_SYMBOL: Final = struct.Struct("<IBBHQQ")
_LONGEST_CHAIN: Final = 1 << 12
_SEGMENTS: Final = 256
_DYNAMIC: Final = 1 << 16
_NAME: Final = 4096
_FARTHEST: Final = 1 << 62
MACHINES: Final = {"amd64": 62, "arm64": 183}
"""`e_machine` of each architecture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedLibrary:
    """A shared library.

    Attributes:
        machine: what it is for.
        soname: its own name, empty where it has none.
        needed: names of those that the dynamic loader loads before it.
    """

    machine: int
    soname: str
    needed: tuple[str, ...] = ()


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
    found = _dynamic(stream)
    if found is None:
        return None
    machine, segments, entries = found
    tags = dict(reversed(entries))
    if _DT_STRTAB not in tags:
        return SharedLibrary(machine=machine, soname="")
    names = [
        (tag, _string(stream, segments, tags[_DT_STRTAB] + at))
        for tag, at in entries
        if tag in {_DT_SONAME, _DT_NEEDED}
    ]
    return SharedLibrary(
        machine=machine,
        soname=next((name for tag, name in names if tag == _DT_SONAME), ""),
        needed=tuple(name for tag, name in names if tag == _DT_NEEDED),
    )


def defines(stream: BinaryIO, symbol: str) -> bool:
    """Whether a shared library defines a symbol that others can ask it for.

    It is looked up as the dynamic loader does, by its hash: the table of symbols does not say where it ends.
    Source: System V ABI, chapter 5; for `DT_GNU_HASH` glibc, elf/dl-lookup.c.
    """
    found = _dynamic(stream)
    if found is None:
        return False
    _, segments, entries = found
    tags = dict(reversed(entries))
    if not {_DT_STRTAB, _DT_SYMTAB} <= tags.keys():
        return False
    name = symbol.encode()
    if _DT_GNU_HASH in tags:
        numbers = _by_gnu_hash(stream, segments, tags[_DT_GNU_HASH], name)
    elif _DT_HASH in tags:
        numbers = _by_hash(stream, segments, tags[_DT_HASH], name)
    else:
        return False
    for number, _ in zip(numbers, range(_LONGEST_CHAIN), strict=False):
        raw = _at(stream, segments, tags[_DT_SYMTAB] + number * _SYMBOL.size, _SYMBOL.size)
        if len(raw) < _SYMBOL.size:
            return False
        start, _, _, section, _, _ = _SYMBOL.unpack(raw)
        if section and _at(stream, segments, tags[_DT_STRTAB] + start, len(name) + 1) == name + b"\0":
            return True
    return False


def _by_gnu_hash(stream: BinaryIO, segments: list[tuple[int, ...]], table: int, name: bytes) -> Iterator[int]:
    """Numbers of the symbols that have this name's hash."""
    hashed = 5381
    for byte in name:
        hashed = (hashed * 33 + byte) & 0xFFFFFFFF
    buckets, first, words, _ = _words(stream, segments, table, 4) or (0, 0, 0, 0)
    if not buckets:
        return
    start = table + 16 + 8 * words
    (number,) = _words(stream, segments, start + 4 * (hashed % buckets), 1) or (0,)
    chains = start + 4 * buckets
    while number >= first:
        (value,) = _words(stream, segments, chains + 4 * (number - first), 1) or (1,)
        if value | 1 == hashed | 1:
            yield number
        if value & 1:  # the last one of its bucket
            return
        number += 1


def _by_hash(stream: BinaryIO, segments: list[tuple[int, ...]], table: int, name: bytes) -> Iterator[int]:
    """Numbers of the symbols in this name's bucket."""
    hashed = 0
    for byte in name:
        hashed = (hashed << 4) + byte
        hashed = (hashed ^ (hashed & 0xF0000000) >> 24) & 0x0FFFFFFF
    buckets, _ = _words(stream, segments, table, 2) or (0, 0)
    if not buckets:
        return
    (number,) = _words(stream, segments, table + 8 + 4 * (hashed % buckets), 1) or (0,)
    while number:
        yield number
        (number,) = _words(stream, segments, table + 8 + 4 * (buckets + number), 1) or (0,)


def _words(
    stream: BinaryIO, segments: list[tuple[int, ...]], address: int, count: int
) -> tuple[int, ...] | None:
    raw = _at(stream, segments, address, 4 * count)
    return struct.unpack(f"<{count}I", raw) if len(raw) == 4 * count else None


def _dynamic(stream: BinaryIO) -> tuple[int, list[tuple[int, ...]], list[tuple[int, int]]] | None:
    """Machine, segments and the entries of the dynamic section; None where there is none."""
    found = _head(stream, {_DYN})
    if found is None:
        return None
    machine, segments = found
    for segment_type, _, offset, _, _, length, _, _ in segments:
        if segment_type == _PT_DYNAMIC:
            entries = []
            for raw in _records(_read(stream, offset, min(length, _DYNAMIC)), 16):
                tag, value = struct.unpack("<QQ", raw)
                if tag == _DT_NULL:
                    break
                entries.append((tag, value))
            return machine, segments, entries
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
    return _at(stream, segments, address, _NAME).partition(b"\0")[0].decode("utf-8", "replace")


def _at(stream: BinaryIO, segments: list[tuple[int, ...]], address: int, size: int) -> bytes:
    """Bytes at an address of memory; none where the file is not mapped to it."""
    for segment_type, _, offset, start, _, length, _, _ in segments:
        if segment_type == _PT_LOAD and start <= address < start + length:
            return _read(stream, offset + address - start, min(size, start + length - address))
    return b""
