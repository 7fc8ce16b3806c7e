"""The files of a layout or an archive by their names, for readers that need not know which of both it is."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from mlimage.content.inflate import Slice
from mlimage.errors import BuildError
from mlimage.oci.untar import MemberKind, TarError, TarReader

MAX_MEMBERS: Final = 100_000
"""Members of an archive; each blob is one, and 127 layers are the most that engines take."""
_MAX_NAME: Final = 300
"""Letters of a name that is remembered; those of blobs have 77."""
_BUFFER: Final = 4096
"""Little: between the headers the file is passed over."""
_COMPRESSED: Final = {b"\x1f\x8b": "gunzip", b"\x28\xb5": "unzstd", b"BZ": "bunzip2", b"\xfd7": "unxz"}


@dataclass(frozen=True, slots=True)
class File:
    """Bytes in a file of this machine."""

    path: Path
    offset: int
    size: int

    def open(self) -> io.RawIOBase:
        """A stream of exactly these bytes."""
        return Slice(self.path.open("rb", buffering=0), self.offset, self.size)


Files = Callable[[str], File | None]
"""The file of that name, or None."""


def folder_files(folder: Path) -> Files:
    """The files of a folder."""

    def find(name: str) -> File | None:
        path = folder / name
        return File(path, 0, path.stat().st_size) if path.is_file() else None

    return find


def archive_files(path: Path) -> Files:
    """The files of a tar, of which nothing is unpacked; links to files in it count as those.

    Raises:
        BuildError: it is no tar, cut short, or has a name outside of itself or twice.
    """
    with path.open("rb", buffering=_BUFFER) as stream:
        program = _COMPRESSED.get(stream.read(2))
        if program:
            raise BuildError(
                f"`{path}` is compressed", hint=f"type `{program} {path}`, and name what it makes"
            )
        stream.seek(0)
        try:
            return _read(stream, path).get
        except TarError as error:
            raise BuildError(f"`{path}` is no archive of an image: {error}") from error


def _read(stream: BinaryIO, path: Path) -> dict[str, File]:
    found: dict[str, File] = {}
    links: dict[str, str] = {}
    length = path.stat().st_size
    for member in TarReader(stream, skip=lambda size: stream.seek(size, io.SEEK_CUR)):
        name = _inside(member.path)
        if stream.tell() + member.size > length:
            raise TarError("it is cut short")
        if member.kind is MemberKind.DIRECTORY or len(name) > _MAX_NAME:
            continue
        if name in found or name in links:
            raise TarError(f"it has `{name}` twice")
        if len(found) + len(links) >= MAX_MEMBERS:
            raise TarError(f"it has more than {MAX_MEMBERS} members")
        if member.kind is MemberKind.FILE:
            found[name] = File(path, stream.tell(), member.size)
        elif member.kind in {MemberKind.SYMLINK, MemberKind.HARD_LINK}:
            links[name] = _target(name, member.target, hard=member.kind is MemberKind.HARD_LINK)
        else:
            raise TarError(f"its `{name}` is a {member.kind.value}")
    return found | {name: found[target] for name, target in links.items() if target in found}


def _inside(name: str) -> str:
    """The name without `./` before and `/` behind it."""
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if name.startswith("/") or ".." in parts:
        raise TarError(f"it has the name {name[:_MAX_NAME]!r}, which leads outside")
    return "/".join(parts)


def _target(name: str, target: str, *, hard: bool) -> str:
    """What a link names; `docker save` before 25 wrote an equal layer as a link, `../ID/layer.tar`."""
    parts = [] if hard else name.split("/")[:-1]
    for part in target.split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part == ".." or (part == "" and not parts):
            raise TarError(f"its link `{name}` leads outside, to {target[:_MAX_NAME]!r}")
        elif part not in {"", "."}:
            parts.append(part)
    return "/".join(parts)
