"""The shared libraries of packages, by the names that the dynamic loader knows them by."""

import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from mlimage.content.elf import is_elf, read_library
from mlimage.content.entry import Entry, Kind
from mlimage.digest import Digest

_NAME: Final = re.compile(r"lib[^/]*\.so(?:\.[^/]+)?|[^/]+\.so\.\d[^/]*")
"""Not the modules of Python's own, which nothing links to, so that they are known by their path alone."""
_WHOLE: Final = 16 << 20
_HEAD: Final = 1 << 20
"""Of a library larger than `_WHOLE` this much is read: to unpack all of torch's would take a tenth of its
build, and a file that the loader finds has the name that was asked for anyway."""


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

    Raises:
        BuildError: a file is not what its package says.
    """
    found = (_library(entry) for entry in entries)
    return tuple(library for library in found if library is not None)


def _library(entry: Entry) -> Library | None:
    file = entry.path.rpartition("/")[2]
    if entry.kind is not Kind.FILE or entry.open is None or not _NAME.fullmatch(file):
        return None
    large = entry.size > _WHOLE
    with entry.open() as stream:
        head = stream.read(_HEAD if large else entry.size)
    if large:
        name = file if is_elf(head) else None
    else:
        library = read_library(io.BytesIO(head))
        name = (library.soname or file) if library else None
    if name is None:
        return None
    return Library(
        package=entry.origin.partition(" ")[0],
        path=entry.path,
        name=name,
        content=Digest.of(b"%d\0" % entry.size + head),
    )
