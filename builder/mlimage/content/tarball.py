"""Reads an unpacked tar file as entries whose bytes stay where they are in that file."""

import errno
import io
import tarfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from mlimage.bounds import ENTRIES, PATH, why_not
from mlimage.content.entry import Entry, Kind, directory, symlink
from mlimage.content.inflate import open_part
from mlimage.errors import BuildError

_EXTENSION: Final = 1 << 20
"""Bytes of a long name or a PAX header that are still believed."""
_BLOCK: Final = 512
_KINDS: Final = {
    tarfile.CHRTYPE: "a character device",
    tarfile.BLKTYPE: "a block device",
    tarfile.FIFOTYPE: "a named pipe",
    tarfile.CONTTYPE: "a contiguous file",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}


class _Bounded(io.BufferedReader):
    """A file whose single reads are bounded: `tarfile` reads a whole extension header at once."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0 or size > _EXTENSION:
            raise BuildError(f"it has a header of more than {_EXTENSION >> 20} MiB")
        return super().read(size)


def read_entries(path: Path, *, origin: str) -> tuple[Entry, ...]:
    """Every entry of the tar file at `path`, in its order; hard links become files of their own.

    Raises:
        BuildError: the tar is damaged or cut short, or an entry has a name or a kind that no package needs:
            outside the root, given twice, a device. The message names the entry.
    """
    try:
        with (
            _Bounded(io.FileIO(path)) as stream,
            tarfile.open(fileobj=stream, mode="r:", errors="surrogateescape") as tar,
        ):
            entries = tuple(_entries(tar, path, origin))
            _check_end(stream, tar.offset)
    except (tarfile.TarError, OSError, ValueError, OverflowError) as error:
        # `tarfile` seeks wherever a header says: what no file has room for is EINVAL or OverflowError.
        if isinstance(error, OSError) and error.errno not in {None, errno.EINVAL}:
            raise
        raise BuildError(f"its tar is damaged ({error})") from None
    return entries


def _entries(tar: tarfile.TarFile, path: Path, origin: str) -> Iterator[Entry]:
    seen: dict[str, Entry | None] = {}
    for member in tar:
        name = relative_path(member.name)
        if name in seen:
            raise BuildError(f"it has `{_shown(member.name)}` twice")
        entry = _entry(member, name, seen, path, origin)
        seen[name] = entry
        if len(seen) > ENTRIES:
            raise BuildError(f"it has more than {ENTRIES} files")
        if entry is not None:
            yield entry


def _entry(
    member: tarfile.TarInfo, name: str, seen: dict[str, Entry | None], path: Path, origin: str
) -> Entry | None:
    mode = member.mode & 0o7777
    if not name:
        if not member.isdir():
            raise BuildError("its root is no folder")
        return None
    if member.isdir():
        return directory(name, origin=origin, mode=mode, uid=member.uid, gid=member.gid)
    if member.issym():
        target = _checked(member.linkname)
        if not target or climbs_out(name, target):
            raise BuildError(f"its link `{name}` leads outside the root, to `{target}`")
        return symlink(name, target, origin=origin)
    if member.islnk():
        linked = seen.get(relative_path(member.linkname))
        if linked is None or linked.kind is not Kind.FILE:
            raise BuildError(
                f"its hard link `{name}` leads to `{_shown(member.linkname)}`, which is no file before it"
            )
        return Entry(
            path=name,
            kind=Kind.FILE,
            mode=linked.mode,
            uid=linked.uid,
            gid=linked.gid,
            size=linked.size,
            origin=origin,
            open=linked.open,
        )
    if member.isfile() and not member.issparse():
        return Entry(
            path=name,
            kind=Kind.FILE,
            mode=mode,
            uid=member.uid,
            gid=member.gid,
            size=member.size,
            origin=origin,
            open=partial(open_part, path, member.offset_data, member.size),
        )
    kind = "a sparse file" if member.issparse() else _KINDS.get(member.type, "of an unknown kind")
    raise BuildError(f"its `{name}` is {kind}")


def _check_end(stream: BinaryIO, offset: int) -> None:
    """`tarfile` takes a damaged header for the end: the real end is zeros up to the file's end."""
    stream.seek(offset)
    first = stream.read(_BLOCK)
    rest = first
    while rest:
        if rest.count(0) != len(rest):
            raise BuildError("its tar is damaged (a header in its middle)")
        rest = stream.read(_EXTENSION)
    if len(first) < _BLOCK:
        raise BuildError("its tar is cut short")


def relative_path(name: str) -> str:
    """The path of an entry as `Entry.path` has it; empty for the root itself.

    Raises:
        BuildError: the name is absolute, climbs with `..`, is written in a roundabout way, or is no UTF-8.
    """
    _checked(name)
    bare = name.removeprefix("./").rstrip("/")
    if bare in ("", "."):
        if name.startswith("/"):
            raise BuildError(f"it has the absolute path `{name}`")
        return ""
    if name.startswith("/"):
        raise BuildError(f"it has the absolute path `{name}`")
    parts = bare.split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise BuildError(f"it has the path `{name}`, which could lead outside the root")
    why = why_not(bare)
    if why:
        raise BuildError(f"its `{_shown(name)}` {why}")
    return bare


def climbs_out(path: str, target: str) -> bool:
    """Whether the symbolic link at `path` leads above the root; an absolute one starts at the root."""
    depth = 0 if target.startswith("/") else path.count("/")
    for part in target.split("/"):
        if part == "..":
            depth -= 1
            if depth < 0:
                return not target.startswith("/")
        elif part not in ("", "."):
            depth += 1
    return False


def _checked(name: str) -> str:
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        raise BuildError(f"it has the name `{_shown(name)}`, which is no UTF-8") from None
    if b"\0" in encoded or len(encoded) > PATH:
        raise BuildError(f"it has the name `{_shown(name)}`, which no file can have")
    return name


def _shown(name: str) -> str:
    """A name from a hostile archive, fit for a message."""
    return (
        name[:200].encode(errors="backslashreplace").decode("ascii", "backslashreplace").replace("\0", "\\0")
    )
