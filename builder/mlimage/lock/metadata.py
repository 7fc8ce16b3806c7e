"""The METADATA of a wheel, out of the whole file or out of a few ranges of it.

Metadata that came by ranges cannot be verified by a digest. It only steers the resolution: which versions fit
together. The wheel itself is verified against the lock when it is fetched, and the lock's digests are the
index's own: a lying file server can make it fail or choose other versions, but never give other bytes.
"""

import io
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from mlimage.errors import FetchError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

TAIL: Final = 1 << 16
"""Bytes at the end of a wheel that are read first: mostly its directory and the metadata before it."""

ELSEWHERE: Final = "==0+a.direct.reference"
"""A version that nothing has, in place of a URL (see `index_only`); one that each resolver can read."""

_READ: Final = ("Metadata-Version", "Name", "Version", "Requires-Python", "Provides-Extra")
_NAME: Final = re.compile(r"[^A-Za-z0-9._-]")
_AHEAD: Final = 1 << 14
_LONGEST: Final = 16 << 20
_NO_ZIP: Final = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, NotImplementedError, OSError, RuntimeError, ValueError),
)
"""What `zipfile` raises for bytes that are no archive, or one that it cannot read."""


class RangedFile(io.RawIOBase):
    """A file that is read by ranges, each byte once, in blocks; for a `BufferedReader`.

    Args:
        read: gives the bytes of the file from a start to a stop.
        total: size of the file.
        tail: its last bytes, which are at hand already.
    """

    def __init__(self, read: Callable[[int, int], bytes], *, total: int, tail: bytes) -> None:
        self._read = read
        self._total = total
        self._blocks: list[tuple[int, bytes]] = [(total - len(tail), tail)]
        self._position = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """The position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position; never before the start."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._total}[whence]
        if start + offset < 0:
            # As a real file does; `zipfile` looks for its comment this way in a file that is too short.
            raise OSError(22, "before the start of the file")
        self._position = start + offset
        return self._position

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Fill the buffer; fewer bytes only at the end."""
        view = memoryview(buffer).cast("B")
        stop = min(self._total, self._position + len(view))
        done = 0
        while self._position < stop:
            block = self._block_at(self._position, stop)
            view[done : done + len(block)] = block
            done += len(block)
            self._position += len(block)
        return done

    def _block_at(self, start: int, stop: int) -> bytes:
        for first, content in self._blocks:
            if first <= start < first + len(content):
                return content[start - first : stop - first]
        if stop - start > _LONGEST:
            raise FetchError(f"an archive that asks for {stop - start} bytes at once")
        above = min((first for first, _ in self._blocks if first > start), default=self._total)
        content = self._read(start, min(above, max(stop, start + _AHEAD)))
        if not content:
            raise FetchError("the server gives an empty range")
        self._blocks.append((start, content))
        return content[: stop - start]


def read_metadata(stream: IO[bytes], *, filename: str) -> bytes:
    """The METADATA of a wheel.

    Args:
        stream: the wheel, or what looks like one.
        filename: the wheel's name, which METADATA must agree with.

    Raises:
        FetchError: it is no wheel, or its metadata is somebody else's.
    """
    try:
        with zipfile.ZipFile(stream) as archive:
            members = [
                member
                for member in archive.infolist()
                if member.filename.endswith(".dist-info/METADATA") and member.filename.count("/") == 1
            ]
            if len(members) != 1:
                raise FetchError(f"`{filename}` has {len(members)} METADATA files, not one")
            if members[0].file_size > _LONGEST:
                raise FetchError(f"`{filename}` has {members[0].file_size} bytes of metadata")
            if members[0].compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                raise FetchError(f"`{filename}` is compressed in a way that wheels are not")
            with archive.open(members[0]) as opened:
                # Never more, whatever the stream unpacks to; what is shorter or longer has another checksum.
                content = opened.read(members[0].file_size + 1)
    except _NO_ZIP as error:
        raise FetchError(f"`{filename}` is no wheel: {str(error).lower()}") from error
    check_metadata(content, filename=filename)
    return content


def check_metadata(content: bytes, *, filename: str) -> None:
    """Compare name and version with the wheel's file name.

    Raises:
        FetchError: they differ, or it is no METADATA at all.
    """
    from email.parser import BytesHeaderParser

    fields = BytesHeaderParser().parsebytes(content)
    name, version = str(fields.get("Name", "")), str(fields.get("Version", ""))
    try:
        expected_name, expected_version, _, _ = parse_wheel_filename(filename)
        same = canonicalize_name(name) == expected_name and Version(version) == expected_version
    except ValueError:
        same = False
    if not same:
        raise FetchError(f"the metadata of `{filename}` says that it is `{name[:80]}` `{version[:80]}`")


def index_only(content: bytes) -> bytes:
    """What the resolver reads of a METADATA, in which no requirement names a place besides the indexes.

    pip would follow `name @ https://…` in a wheel's requirements, out of the indexes that packages are bound
    to, and would run the `setup.py` of what it finds there. Such a requirement becomes one that no version
    fulfils, so that another version is looked for, or the lock fails and says why.
    """
    from email.parser import BytesHeaderParser

    fields = BytesHeaderParser().parsebytes(content)
    lines = [f"{key}: {value}" for key in _READ for value in map(str, fields.get_all(key, []))]
    lines += [f"Requires-Dist: {_of_index(str(value))}" for value in fields.get_all("Requires-Dist", [])]
    return ("\n".join(" ".join(line.split()) for line in lines) + "\n\n").encode(errors="replace")


def _of_index(text: str) -> str:
    if "@" not in text:
        return text
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return f"{_NAME.split(text.strip(), maxsplit=1)[0] or 'unnamed'}{ELSEWHERE}"
    if requirement.url is None:
        return text
    requirement.url = None
    requirement.specifier = SpecifierSet(ELSEWHERE)
    return str(requirement)
