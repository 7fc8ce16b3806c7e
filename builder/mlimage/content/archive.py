"""Zip archives, read strictly: what two readers could understand differently is refused.

The rules are those that package indexes have for wheels since 2025, because ambiguous archives show one thing
and install another; 967 of 967 wheels of an index keep them: no data before or after the archive, no overlap,
no duplicate names, UTF-8, plain files and folders only, stored or deflated.
"""

import os
import re
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from mlimage.bounds import ENTRIES, shown, why_not
from mlimage.content.members import (
    DEFLATED,
    ENCRYPTED,
    LOCAL_SIZE,
    STORED,
    Checksum,
    Member,
    open_member,
    refused,
)
from mlimage.errors import BuildError, reason_of

_END: Final = struct.Struct("<4s4H2IH")
_END_64: Final = struct.Struct("<4sQ2H2I4Q")
_LOCATOR_64: Final = struct.Struct("<4sIQI")
_CENTRAL: Final = struct.Struct("<4s4B4H3I5H2I")

_UTF8: Final = 0x800

_DEFLATE_LIMIT: Final = 1032
"""Deflate cannot do better: 258 bytes by two bits (zlib's technical notes)."""

_BOMB_RATIO: Final = 100
_BOMB_SIZE: Final = 256 * 1024 * 1024
"""An archive is a bomb when it is unpacked more than this size and more than this many times its own; of 967
real wheels the most is 18 times."""

_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f\\]|^[A-Za-z]:|(?:^|/)\.{0,2}(?:/|\Z)")
"""Control characters, backslashes, drives, and parts that are empty or lead up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A zip archive whose directory was read and checked; its files are in the order of the archive.

    Attributes:
        path: the archive.
        origin: what it is, in the user's words, for messages.
        members: its files, folders left out.
    """

    path: Path
    origin: str
    members: tuple[Member, ...]

    def open(self, member: Member, checksum: Checksum | None = None) -> BinaryIO:
        """A fresh stream of the file's bytes; any number may be read at once, from any thread.

        The last bytes are given only after the length, the CRC and the checksum were found right, so whoever
        has read `member.size` bytes has verified bytes.

        Raises:
            BuildError: the bytes are not what the archive or the checksum says; while reading, likewise.
        """
        return open_member(self.path, member, checksum, origin=self.origin)

    def read(self, member: Member, *, limit: int) -> bytes:
        """All bytes of a file that has at most `limit`.

        Raises:
            BuildError: it is larger, or damaged.
        """
        if member.size > limit:
            raise refused(
                self.origin, f"has `{member.name}` of {member.size} bytes, where at most {limit} make sense"
            )
        with self.open(member) as stream:
            return stream.read()


def read_archive(path: Path, *, origin: str) -> Archive:
    """Read and check the directory of a zip archive.

    Raises:
        BuildError: it is no zip archive, is ambiguous, hostile or damaged, or uses what wheels do not
            (encryption, links, several parts, other compression than deflate).
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise BuildError(f"cannot read the wheel of `{origin}`: {reason_of(error)}") from error
    try:
        length = os.fstat(descriptor).st_size
        directory, start, count = _directory(descriptor, length, origin)
    finally:
        os.close(descriptor)
    if count > ENTRIES:
        raise refused(origin, f"has more than {ENTRIES} files")
    members = tuple(_members(directory, count, origin))
    _check_layout(members, start, origin)
    unpacked = sum(member.size for member, _ in members)
    if unpacked > _BOMB_SIZE and unpacked > _BOMB_RATIO * length:
        raise refused(origin, f"unpacks to {unpacked} bytes, {unpacked // length} times its own size")
    return Archive(
        path=path, origin=origin, members=tuple(member for member, folder in members if not folder)
    )


def _directory(descriptor: int, length: int, origin: str) -> tuple[bytes, int, int]:
    """The central directory's bytes, where it begins, and how many entries it has (APPNOTE 4.3.12-4.3.16)."""
    tail_length = min(length, _END.size + 0xFFFF)
    tail = os.pread(descriptor, tail_length, length - tail_length)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        raise refused(origin, "is no zip archive, or is cut short")
    _, disk, first_disk, here, count, size, start, comment = _END.unpack_from(tail, at)
    if at + _END.size + comment != len(tail):
        raise refused(origin, "has data after its end")
    end = length - len(tail) + at
    locator = (
        os.pread(descriptor, _LOCATOR_64.size, end - _LOCATOR_64.size) if end >= _LOCATOR_64.size else b""
    )
    if locator.startswith(b"PK\x06\x07"):
        _, disk_64, end, disks = _LOCATOR_64.unpack(locator)
        record = os.pread(descriptor, _END_64.size, end) if end < length else b""
        if len(record) != _END_64.size or not record.startswith(b"PK\x06\x06") or disk_64 or disks != 1:
            raise refused(origin, "has a damaged ZIP64 directory")
        _, _, _, _, disk, first_disk, here, count, size, start = _END_64.unpack(record)
    if disk or first_disk or here != count:
        raise refused(origin, "is one part of a divided archive")
    if start + size != end:
        raise refused(origin, "has data before its beginning, or a damaged directory")
    return os.pread(descriptor, size, start), start, count


def _members(directory: bytes, count: int, origin: str) -> Iterator[tuple[Member, bool]]:
    """Each entry of the central directory, and whether it is a folder."""
    at = 0
    names: set[str] = set()
    for _ in range(count):
        if len(directory) - at < _CENTRAL.size:
            raise refused(origin, "has a damaged directory")
        (
            signature, _, _, _, _, flags, method, _, _, crc, packed, size,
            name_length, extra_length, comment_length, disk, _, attributes, offset,
        ) = _CENTRAL.unpack_from(directory, at)  # fmt: skip
        at += _CENTRAL.size
        raw = directory[at : at + name_length]
        extra = directory[at + name_length : at + name_length + extra_length]
        at += name_length + extra_length + comment_length
        if signature != b"PK\x01\x02" or at > len(directory):
            raise refused(origin, "has a damaged directory")
        name = _name(raw, flags, origin)
        if name in names:
            raise refused(origin, f"has two files named `{name}`")
        names.add(name)
        if 0xFFFFFFFF in (size, packed, offset):
            size, packed, offset = _large(extra, size, packed, offset, name, origin)
        folder = name.endswith("/")
        mode = attributes >> 16
        _check_kind(name, flags, method, mode, folder=folder, origin=origin)
        if (
            disk
            or (size and folder)
            or (size != packed and method == STORED)
            or size > _DEFLATE_LIMIT * packed
        ):
            raise refused(origin, f"gives impossible sizes for `{name}`")
        member = Member(
            name, size, packed, crc, method == DEFLATED, stat.S_ISREG(mode) and bool(mode & 0o111), offset
        )
        yield member, folder
    if at != len(directory):
        raise refused(origin, "has a damaged directory")


def _name(raw: bytes, flags: int, origin: str) -> str:
    """The checked name of an entry."""
    try:
        name = raw.decode("utf-8" if flags & _UTF8 else "ascii")
    except UnicodeDecodeError as error:
        raise refused(origin, f"has a file name that is not UTF-8: {raw!r}") from error
    if _UNSAFE.search(name.removesuffix("/")):
        raise refused(origin, f"has a file with the unsafe name {name!r}")
    why = why_not(name)
    if why:
        raise refused(origin, f"has `{shown(name)}`, which {why}")
    return name


def _check_kind(name: str, flags: int, method: int, mode: int, *, folder: bool, origin: str) -> None:
    if flags & ENCRYPTED:
        raise refused(origin, f"has the encrypted file `{name}`")
    if method not in {STORED, DEFLATED}:
        raise refused(origin, f"has `{name}` packed by method {method}; wheels are stored or deflated")
    kind = stat.S_IFMT(mode)
    if kind == stat.S_IFLNK:
        raise refused(origin, f"has the symbolic link `{name}`")
    if kind not in {0, stat.S_IFDIR if folder else stat.S_IFREG}:
        raise refused(origin, f"has `{name}`, which is neither file nor folder")


def _large(extra: bytes, size: int, packed: int, offset: int, name: str, origin: str) -> tuple[int, int, int]:
    """Sizes and offset that need 64 bits (APPNOTE 4.5.3)."""
    at = 0
    while len(extra) - at >= 4:
        tag, length = struct.unpack_from("<2H", extra, at)
        if tag == 1:
            values = list(
                struct.unpack_from(f"<{length // 8}Q", extra[at + 4 : at + 4 + length].ljust(length // 8 * 8))
            )
            given = [
                values.pop(0) if field == 0xFFFFFFFF and values else field for field in (size, packed, offset)
            ]
            return given[0], given[1], given[2]
        at += 4 + length
    raise refused(origin, f"gives impossible sizes for `{name}`")


def _check_layout(members: tuple[tuple[Member, bool], ...], start: int, origin: str) -> None:
    """No two entries share bytes, and none reaches into the directory: overlap makes the worst of bombs."""
    end = 0
    for member, _ in sorted(members, key=lambda pair: pair[0].offset):
        if member.offset < end:
            raise refused(origin, f"has `{member.name}` over other files")
        end = member.offset + LOCAL_SIZE + len(member.name.encode()) + member.packed
    if end > start:
        raise refused(origin, "has files over its directory")
