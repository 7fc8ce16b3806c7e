"""The shared libraries of packages, by the names that the dynamic loader knows them by."""

import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from mlimage.content.elf import defines, is_elf, read_library
from mlimage.content.entry import Entry, Kind
from mlimage.digest import Digest

_SHARED: Final = re.compile(r"\.so(?:\.[^/]+)?\Z")
_LIBRARY: Final = re.compile(r"lib[^/]*\.so(?:\.[^/]+)?|[^/]+\.so\.\d[^/]*")
_MODULE: Final = re.compile(r"\.(?:cpython-[^/.]+|abi3)\.so\Z")
_WHOLE: Final = 16 << 20
_HEAD: Final = 1 << 20
"""Of a library larger than `_WHOLE` this much is read, and its file's name counts: to unpack all of torch's
would take a tenth of its build, and a file that the loader finds has the name that was asked for anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """A shared library of a package.

    Attributes:
        package: name of the package.
        path: in the image, without a leading `/`.
        name: what those that are linked to it ask for: its SONAME, or, where it has none or is too large to
            look, the name of its file.
        content: digest of its size and its first bytes, by which copies are known.
    """

    package: str
    path: str
    name: str
    content: Digest


def libraries(entries: Iterable[Entry]) -> tuple[Library, ...]:
    """The shared libraries among the files of packages, in their order.

    Modules of Python's are none, wherever they lie and whatever they are called: nothing is linked to what is
    opened by its path. They are known by the function that Python calls in them, `PyInit_NAME`.

    Raises:
        BuildError: a file is not what its package says.
    """
    found = (_library(entry) for entry in entries)
    return tuple(library for library in found if library is not None)


def _library(entry: Entry) -> Library | None:
    file = entry.path.rpartition("/")[2]
    if entry.kind is not Kind.FILE or entry.open is None or not _SHARED.search(file):
        return None
    large = entry.size > _WHOLE
    with entry.open() as stream:
        head = stream.read(_HEAD if large else entry.size)
    name = _name_of_large(file, head) if large else _name(file, io.BytesIO(head))
    if not name:
        return None
    return Library(
        package=entry.origin.partition(" ")[0],
        path=entry.path,
        name=name,
        content=Digest.of(b"%d\0" % entry.size + head),
    )


def _name(file: str, stream: io.BytesIO) -> str:
    library = read_library(stream)
    if library is None or _is_module(file, stream):
        return ""
    return library.soname or (file if _LIBRARY.fullmatch(file) else "")


def _is_module(file: str, stream: io.BytesIO) -> bool:
    """Whether Python can import it under the name of its file (PEP 489; PEP 793 for `PyModExport_`)."""
    stem = file.partition(".")[0]
    suffix = f"_{stem}" if stem.isascii() else f"U_{stem.encode('punycode').decode().replace('-', '_')}"
    for hook in ("PyInit", "PyModExport"):
        stream.seek(0)
        if defines(stream, hook + suffix):
            return True
    return False


def _name_of_large(file: str, head: bytes) -> str:
    return file if is_elf(head) and _LIBRARY.fullmatch(file) and not _MODULE.search(file) else ""
