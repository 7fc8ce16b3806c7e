"""The shared libraries of packages: the names that the dynamic loader knows them by, and asks for."""

import io
import re
from dataclasses import dataclass, field
from typing import BinaryIO, Final, Self, cast

from mlimage.content.elf import defines, read_library
from mlimage.content.entry import Entry

_SHARED: Final = re.compile(r"\.so(?:\.[^/]+)?\Z")
_LIBRARY: Final = re.compile(r"(?P<stem>lib[^/]*?)\.so(?:\.[^/]+)?|(?P<other>[^/]+?)\.so\.\d[^/]*")
_WHOLE: Final = 16 << 20
_BLOCK: Final = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """A file that the dynamic loader can load.

    Attributes:
        name: by which others ask for it: its SONAME, or, where it has none, the name of its file; empty for a
            module of Python's, which is opened by its path.
        needed: the names that it asks for itself.
    """

    name: str
    needed: tuple[str, ...]


def is_shared(path: str) -> bool:
    """Whether a file is called as what the dynamic loader loads."""
    return _SHARED.search(path) is not None


def stem_of(path: str) -> str:
    """The name of a library by its file, without its version; empty where it is called otherwise.

    >>> stem_of("torch/lib/libgomp.so.1"), stem_of("a/_C.abi3.so")
    ('libgomp', '')
    """
    match = _LIBRARY.fullmatch(path.rpartition("/")[2])
    return (match["stem"] or match["other"]) if match else ""


def read_linked(entry: Entry) -> Linked | None:
    """Read the names from a file; None where it is no shared library.

    Modules of Python's are told from libraries by the function that Python calls in them, `PyInit_NAME`,
    wherever they lie and whatever they are called. Of a large file no more is unpacked than it takes.

    Raises:
        BuildError: the file is not what its package says.
    """
    if entry.open is None:
        return None
    file = entry.path.rpartition("/")[2]
    if entry.size <= _WHOLE:
        with entry.open() as opened:
            stream: BinaryIO = io.BytesIO(opened.read(entry.size))
    else:
        stream = cast("BinaryIO", _Blocks(entry))
    with stream:
        library = read_library(stream)
        if library is None:
            return None
        own = "" if _is_module(file, stream) else library.soname or (file if stem_of(file) else "")
    return Linked(name=own, needed=library.needed)


def _is_module(file: str, stream: BinaryIO) -> bool:
    """Whether Python can import it under the name of its file (PEP 489; PEP 793 for `PyModExport_`)."""
    stem = file.partition(".")[0]
    suffix = f"_{stem}" if stem.isascii() else f"U_{stem.encode('punycode').decode().replace('-', '_')}"
    for hook in ("PyInit", "PyModExport"):
        stream.seek(0)
        if defines(stream, hook + suffix):
            return True
    return False


@dataclass(slots=True)
class _Blocks:
    """Reads here and there in a file that can only be unpacked from its beginning; what was read is kept."""

    entry: Entry
    at: int = 0
    stream: BinaryIO | None = None
    blocks: dict[int, bytes] = field(default_factory=dict)
    next: int = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.stream is not None:
            self.stream.close()

    def seek(self, offset: int) -> int:
        self.at = offset
        return offset

    def read(self, size: int) -> bytes:
        end = min(self.at + size, self.entry.size)
        if end <= self.at:
            return b""
        first = self.at // _BLOCK
        content = b"".join(self._block(number) for number in range(first, (end - 1) // _BLOCK + 1))
        piece = content[self.at - first * _BLOCK : end - first * _BLOCK]
        self.at = end
        return piece

    def _block(self, number: int) -> bytes:
        if number not in self.blocks:
            if self.stream is None or number < self.next:
                self.__exit__()
                self.stream = self.entry.open() if self.entry.open else io.BytesIO()
                self.next = 0
            while self.next <= number:
                block = self.stream.read(_BLOCK)
                self.next += 1
            self.blocks[number] = block
        return self.blocks[number]
