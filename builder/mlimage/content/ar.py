"""Reads the `ar` archive that a Debian package is: names and places of its members, nothing else."""

from dataclasses import dataclass
from typing import BinaryIO, Final

from mlimage.errors import BuildError

_MAGIC: Final = b"!<arch>\n"
_HEADER: Final = 60
_END: Final = b"`\n"
_MEMBERS: Final = 64
"""A package has three members; a few more are allowed, thousands are not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member of the archive and where its bytes lie in the file."""

    name: str
    offset: int
    size: int


def read_members(stream: BinaryIO) -> tuple[Member, ...]:
    """The members in their order. `stream` must be seekable and stand at the archive's begin.

    Only what deb(5) allows is read: short names in the header, no symbol tables.

    Raises:
        BuildError: it is no such archive, or is cut short.
    """
    total = stream.seek(0, 2)
    stream.seek(0)
    if stream.read(len(_MAGIC)) != _MAGIC:
        raise BuildError("it is no `ar` archive")
    members: list[Member] = []
    offset = len(_MAGIC)
    while offset < total:
        stream.seek(offset)
        member = _member(stream.read(_HEADER), offset + _HEADER)
        if member.offset + member.size > total:
            raise BuildError(f"its member `{member.name}` is cut short")
        members.append(member)
        if len(members) > _MEMBERS:
            raise BuildError(f"it has more than {_MEMBERS} members")
        offset = member.offset + member.size + member.size % 2
    return tuple(members)


def _member(header: bytes, offset: int) -> Member:
    if len(header) < _HEADER or header[58:] != _END:
        raise BuildError("the header of one of its members is damaged")
    digits = header[48:58].rstrip(b" ")
    name = header[:16].rstrip(b" ").removesuffix(b"/")
    if not digits.isdigit() or not name or not name.isascii() or not name.decode("ascii").isprintable():
        raise BuildError("the header of one of its members is damaged")
    return Member(name=name.decode("ascii"), offset=offset, size=int(digits))
