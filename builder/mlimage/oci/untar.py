"""A strict reader of tar streams: what layers hold, from mlimage or from other tools.

USTAR, PAX and GNU long names. It keeps nothing, so an archive of any size takes the same memory.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from mlimage.bounds import ENTRIES, PATH, shown, why_not

BLOCK: Final = 512
_PIECE: Final = 1 << 20
_MAX_EXTENSION: Final = 1 << 20
_ZEROS: Final = bytes(BLOCK)


class TarError(Exception):
    """What is read is no tar archive, or one with something in it that images do not have."""


class Readable(Protocol):
    """A stream of bytes that may give less than was asked for."""

    def read(self, size: int, /) -> bytes:
        """Some of the next bytes; none at the end."""


class MemberKind(Enum):
    """What a member of an archive is."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    HARD_LINK = "hard link"
    CHARACTER_DEVICE = "character device"
    BLOCK_DEVICE = "block device"
    FIFO = "named pipe"


_KINDS: Final = {
    b"0": MemberKind.FILE,
    b"\0": MemberKind.FILE,
    b"7": MemberKind.FILE,
    b"1": MemberKind.HARD_LINK,
    b"2": MemberKind.SYMLINK,
    b"3": MemberKind.CHARACTER_DEVICE,
    b"4": MemberKind.BLOCK_DEVICE,
    b"5": MemberKind.DIRECTORY,
    b"6": MemberKind.FIFO,
}
_CAPABILITIES: Final = "SCHILY.xattr.security.capability"
"""How every writer of PAX archives has them."""
_DEVICES: Final = {MemberKind.CHARACTER_DEVICE, MemberKind.BLOCK_DEVICE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One entry of an archive; `path` and `target` are as they stand there, unchecked.

    The `target` of a device is its numbers, `MAJOR:MINOR`. `capable` says that the file has capabilities of
    its own (`setcap`).
    """

    path: str
    kind: MemberKind
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    target: str
    capable: bool = False


class TarReader:
    """Iterates over the members; `content` gives the bytes of the member that was given last.

    Args:
        stream: the archive.
        skip: passes over so many bytes of it, where that is faster than to read them.
    """

    def __init__(self, stream: Readable, skip: Callable[[int], object] | None = None) -> None:
        self._stream = stream
        self._jump = skip
        self._left = 0
        self._padding = 0

    def __iter__(self) -> Iterator[Member]:
        """The members in their order.

        Raises:
            TarError: it is no tar archive, ends too early, has a kind of entry that no image has, or is
                out of bounds (`mlimage.bounds`).
        """
        extended: dict[str, str] = {}
        count = told = 0
        while True:
            self._skip()
            block = self._block()
            if block is None or block == _ZEROS:
                return
            kind, size = block[156:157], _number(block[124:136])
            _check(block)
            if kind in {b"x", b"g", b"L", b"K"}:
                told += size
                if told > _MAX_EXTENSION:
                    raise TarError(f"an extended header of {told} bytes")
                text = self._take(size)
                if kind == b"x":
                    extended.update(_records(text))
                elif kind == b"L":
                    extended["path"] = _text(text)
                elif kind == b"K":
                    extended["linkpath"] = _text(text)
                continue
            member = _member(block, kind, size, extended)
            extended = {}
            told = 0
            count += 1
            if count > ENTRIES:
                raise TarError(f"more than {ENTRIES} entries")
            self._left = member.size
            self._padding = -member.size % BLOCK
            yield member

    def content(self) -> Iterator[bytes]:
        """The bytes of the current member in pieces; what is not taken is passed over."""
        while self._left:
            piece = self._stream.read(min(self._left, _PIECE))
            if not piece:
                raise TarError("the archive ends in the middle of a file")
            self._left -= len(piece)
            yield piece

    def pass_over(self) -> int:
        """How many bytes, from the content on, the caller passes over, whose stream can seek."""
        rest = self._left + self._padding
        self._left = self._padding = 0
        return rest

    def _skip(self) -> None:
        if self._jump is not None and self._left:
            self._jump(self._left)
            self._left = 0
        for _ in self.content():
            pass
        if self._padding:
            self._exactly(self._padding)
            self._padding = 0

    def _take(self, size: int) -> bytes:
        content = self._exactly(size)
        self._padding = -size % BLOCK
        return content

    def _block(self) -> bytes | None:
        first = self._stream.read(BLOCK)
        if not first:
            return None
        return first if len(first) == BLOCK else first + self._exactly(BLOCK - len(first))

    def _exactly(self, size: int) -> bytes:
        pieces = []
        while size:
            piece = self._stream.read(size)
            if not piece:
                raise TarError("the archive ends too early")
            size -= len(piece)
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _member(block: bytes, kind: bytes, size: int, extended: dict[str, str]) -> Member:
    if kind not in _KINDS or any(key.startswith("GNU.sparse") for key in extended):
        raise TarError(f"an entry of a kind that images do not have: {kind!r}")
    path = _text(block[:100])
    if block[257:263] == b"ustar\0" and block[345]:
        path = f"{_text(block[345:500])}/{path}"
    path = extended.get("path", path)
    target = _device(block) if _KINDS[kind] in _DEVICES else extended.get("linkpath", _text(block[157:257]))
    _check_bounds(path, target)
    meant = MemberKind.DIRECTORY if kind in {b"0", b"\0"} and path.endswith("/") else _KINDS[kind]
    try:
        size = int(extended["size"]) if "size" in extended else size
        uid = int(extended["uid"]) if "uid" in extended else _number(block[108:116])
        gid = int(extended["gid"]) if "gid" in extended else _number(block[116:124])
        mtime = int(float(extended["mtime"])) if "mtime" in extended else _number(block[136:148])
    except (ValueError, OverflowError) as error:
        raise TarError(f"no number in the extended header of {path!r}") from error
    if size < 0:
        raise TarError(f"{path!r} has a negative size")
    return Member(
        path=path,
        kind=meant,
        mode=_number(block[100:108]) & 0o7777,
        uid=uid,
        gid=gid,
        size=size if meant is MemberKind.FILE else 0,
        mtime=mtime,
        target=target,
        capable=_CAPABILITIES in extended,
    )


def _check_bounds(path: str, target: str) -> None:
    why = why_not(path)
    if why:
        raise TarError(f"`{shown(path)}` {why}")
    length = len(target.encode(errors="surrogateescape"))
    if length > PATH:
        raise TarError(f"`{shown(path)}` is a link to {length} bytes; at most {PATH} are allowed")


def _device(block: bytes) -> str:
    return f"{_number(block[329:337])}:{_number(block[337:345])}"


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode(errors="surrogateescape")


_OCTAL: Final = re.compile(rb"[ \0]*([0-7]*)[ \0]*\Z")


def _number(field: bytes) -> int:
    """Octal digits, or the base-256 form that GNU tar and star write for large numbers."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big") - (1 << (8 * len(field) - 1))
        if field[0] & 0x40:
            raise TarError("a negative number in a header")
        return value
    found = _OCTAL.match(field)
    if found is None:
        raise TarError(f"no octal number in a header: {field!r}")
    return int(found[1] or b"0", 8)


def _check(block: bytes) -> None:
    told = _number(block[148:156])
    if sum(block) - sum(block[148:156]) + 8 * 0x20 != told:
        raise TarError("a header with a wrong checksum")


def _records(text: bytes) -> Iterator[tuple[str, str]]:
    """`LENGTH KEY=VALUE` and a newline, again and again (POSIX.1-2001, pax Extended Header)."""
    while text:
        digits, space, _ = text.partition(b" ")
        if not space or not digits.isdigit() or len(digits) > 7:
            raise TarError("an extended header without lengths")
        length = int(digits)
        record = text[len(digits) + 1 : length]
        key, equals, value = record.partition(b"=")
        if not equals or length > len(text) or not value.endswith(b"\n"):
            raise TarError("an extended header that is none")
        if b"\0" in value and key in {b"path", b"linkpath"}:
            raise TarError("a name with a NUL character")
        yield key.decode(errors="surrogateescape"), value[:-1].decode(errors="surrogateescape")
        text = text[length:]
