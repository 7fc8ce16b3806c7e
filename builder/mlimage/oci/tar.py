"""The tar writer of every layer and archive: one spelling of each entry, whatever machine writes it.

The bytes are a promise: `tests/golden/oci` holds them. USTAR (POSIX.1-1988) where it can say what there
is, and a PAX record (POSIX.1-2001) for a path, a link's target or a size that does not fit.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from mlimage.content.entry import MTIME, Entry, Kind
from mlimage.errors import BuildError, reason_of

CHUNK: Final = 1 << 20
"""Bytes that are handed on at once; only the last piece of an archive is shorter."""
BLOCK: Final = 512
END: Final = bytes(2 * BLOCK)
"""Two zero blocks. No padding to records of 10 KiB: no reader has asked for it in 30 years."""

_NAME: Final = 100
_PREFIX: Final = 155
_MAX_ID: Final = 0o7777777
_MAX_SIZE: Final = 0o77777777777
_TYPES: Final = {Kind.FILE: b"0", Kind.SYMLINK: b"2", Kind.DIRECTORY: b"5"}
_PAX_TYPE: Final = b"x"
_PAX_NAME: Final = b"././@PaxHeader"
_TIME: Final = b"%011o\0" % MTIME
_MAGIC: Final = b"ustar\x0000"
_NOBODY: Final = bytes(64)
_NO_DEVICE: Final = b"0000000\x000000000\0"
_BLANK: Final = 8 * ord(" ")
_PADDING: Final = tuple(bytes(-size % BLOCK) for size in range(BLOCK))


def tar_chunks(entries: Iterable[Entry]) -> Iterator[bytes]:
    """A whole archive in pieces of `CHUNK` bytes, the last one shorter; memory does not grow with it.

    Args:
        entries: as `content.entry.arrange` gives them: sorted by bytes of the path, parents first.

    Raises:
        BuildError: a file gives more or fewer bytes than its size, cannot be read, or tar cannot say it.
        ValueError: the entries are not arranged; that is a defect of the caller.
    """
    buffer = bytearray()
    last = b""
    folders = {""}
    for entry in entries:
        name = entry.path.encode()
        if name <= last:
            raise ValueError(f"entries are not in order at {entry.path!r}")
        last = name
        _check_place(entry, folders)
        buffer += header(entry)
        if entry.kind is Kind.FILE and entry.size:
            for piece in _content(entry):
                buffer += piece
                if len(buffer) >= CHUNK:
                    yield from _whole_chunks(buffer)
            buffer += _PADDING[entry.size % BLOCK]
        if len(buffer) >= CHUNK:
            yield from _whole_chunks(buffer)
    buffer += END
    yield from _whole_chunks(buffer)
    if buffer:
        yield bytes(buffer)


def header(entry: Entry) -> bytes:
    """The blocks before the entry's content: a USTAR header, and a PAX record before it where it must be.

    Raises:
        BuildError: the owner's number is larger than USTAR can say, or a name has a NUL character.
    """
    if not (0 <= entry.uid <= _MAX_ID and 0 <= entry.gid <= _MAX_ID):
        raise BuildError(
            f"`/{entry.path}` of `{entry.origin}` belongs to {entry.uid}:{entry.gid}, and tar has "
            "no such numbers",
            hint=f"use owners from 0 to {_MAX_ID}",
        )
    if "\0" in entry.path or "\0" in entry.target:
        raise BuildError(f"`{entry.origin}` has a name with a NUL character: {entry.path!r}")
    path = entry.path + "/" if entry.kind is Kind.DIRECTORY else entry.path
    records: dict[str, str] = {}
    split = _split(path)
    if split is None:
        records["path"] = path
        split = b"", path.encode("ascii", "replace")[:_NAME]
    link = entry.target.encode("ascii", "replace")
    if len(link) > _NAME or not entry.target.isascii():
        records["linkpath"] = entry.target
        link = link[:_NAME]
    size = entry.size if entry.kind is Kind.FILE else 0
    if size > _MAX_SIZE:
        records["size"] = str(size)
        size = 0
    prefix, name = split
    block = _block(name, prefix, _owner(entry.mode, entry.uid, entry.gid), size, _TYPES[entry.kind], link)
    return _pax(records) + block if records else block


def _check_place(entry: Entry, folders: set[str]) -> None:
    parent, _, name = entry.path.rpartition("/")
    if parent not in folders or name in {"", ".", ".."}:
        raise ValueError(f"entries lack the parent of {entry.path!r}, or its name is none")
    if entry.kind is Kind.DIRECTORY:
        folders.add(entry.path)


def _whole_chunks(buffer: bytearray) -> Iterator[bytes]:
    """Take the whole chunks out of the buffer."""
    while len(buffer) >= CHUNK:
        yield bytes(buffer[:CHUNK])
        del buffer[:CHUNK]


def _content(entry: Entry) -> Iterator[bytes]:
    if entry.open is None:
        raise ValueError(f"{entry.path!r} is a file without content")
    left = entry.size
    try:
        with entry.open() as stream:
            # One byte more than there may be is asked for: that shows whether the file ends where it should.
            while left >= 0:
                piece = stream.read(min(left + 1, CHUNK))
                if not piece:
                    break
                left -= len(piece)
                yield piece
    except OSError as error:
        raise BuildError(f"cannot read `/{entry.path}` of `{entry.origin}`: {reason_of(error)}") from error
    if left:
        how = f"only {entry.size - left}" if left > 0 else "more"
        raise BuildError(
            f"`/{entry.path}` of `{entry.origin}` should have {entry.size} bytes, and has {how}",
            hint="it changed while it was read: try again when nothing writes there",
        )


def _split(path: str) -> tuple[bytes, bytes] | None:
    """(prefix, name) as USTAR has them, with the longest prefix that fits; None when it cannot be said so."""
    if not path.isascii():
        return None
    raw = path.encode()
    if len(raw) <= _NAME:
        return b"", raw
    cut = raw.rfind(b"/", 1, min(_PREFIX + 1, len(raw) - 1))
    if cut < 0 or len(raw) - cut - 1 > _NAME:
        return None
    return raw[:cut], raw[cut + 1 :]


@lru_cache(maxsize=256)
def _owner(mode: int, uid: int, gid: int) -> bytes:
    return b"%07o\0%07o\0%07o\0" % (mode, uid, gid)


def _block(name: bytes, prefix: bytes, owner: bytes, size: int, kind: bytes, link: bytes) -> bytes:
    before = b"%b%b%011o\0%b" % (name.ljust(_NAME, b"\0"), owner, size, _TIME)
    after = b"%b%b%b%b%b%b%b" % (
        kind, link.ljust(_NAME, b"\0"), _MAGIC, _NOBODY, _NO_DEVICE, prefix.ljust(_PREFIX, b"\0"), bytes(12),
    )  # fmt: skip
    checksum = sum(before) + sum(after) + _BLANK
    return b"%b%06o\0 %b" % (before, checksum, after)


def _pax(records: dict[str, str]) -> bytes:
    content = b"".join(_record(key, records[key]) for key in sorted(records))
    return b"%b%b%b" % (
        _block(_PAX_NAME, b"", _owner(0o644, 0, 0), len(content), _PAX_TYPE, b""),
        content,
        _PADDING[len(content) % BLOCK],
    )


def _record(key: str, value: str) -> bytes:
    """`LENGTH KEY=VALUE` and a newline, where LENGTH counts the whole record."""
    rest = b" %b=%b\n" % (key.encode(), value.encode())
    length = len(rest)
    while len(str(length)) + len(rest) != length:
        length = len(str(length)) + len(rest)
    return str(length).encode() + rest
