"""What is in an unpacked tree: noted when it is written, so that a later change of it is noticed.

The first line of the file has some chosen entries, which are looked at whenever the tree is used; the rest
is packed and has all of them. A run makes folders in the tree for its mounts, and two empty files: folders
may be added, and the times of folders do not count.
"""

import hashlib
import io
import json
import os
import stat
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Final

from mlimage.atomic import write_atomically
from mlimage.trees import Descent, walk

_FORMAT: Final = 1
_CHOSEN: Final = 128
"""Entries of the first line: to look at them takes half a millisecond."""
_MOUNT_POINTS: Final = frozenset({"etc/hosts", "etc/resolv.conf"})
"""Files that the sandbox mounts over; it makes empty ones where an image has none."""
_KINDS: Final = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link"}


@dataclass(frozen=True, slots=True)
class Noted:
    """What is noted of an entry: nanoseconds of its time, and SHA-256 of its bytes or of a link's target.

    The digest is empty for folders, and for files that their owner may not read.
    """

    kind: str
    mode: int
    size: int
    mtime: int
    digest: str

    def fits(self, found: os.stat_result) -> bool:
        """Whether an entry looks as it did."""
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "")
        same = (kind, stat.S_IMODE(found.st_mode)) == (self.kind, self.mode)
        return same and (kind == "folder" or (found.st_size, found.st_mtime_ns) == (self.size, self.mtime))


Inventory = Mapping[str, Noted]
"""By the path from the top, without `/` at the ends; what is no UTF-8 in it as surrogate escapes."""


def take_inventory(top: Path) -> Inventory:
    """Read a tree; raises `OSError` where that cannot be done."""
    return {
        path: Noted(
            kind=_KINDS.get(stat.S_IFMT(found.st_mode), ""),
            mode=stat.S_IMODE(found.st_mode),
            size=found.st_size,
            mtime=found.st_mtime_ns,
            digest=_digest(at, name, found),
        )
        for at, name, path, found in _entries(top)
    }


def write_inventory(file: Path, inventory: Inventory, *, first: Sequence[str] = ()) -> None:
    """Keep an inventory; of what lies below `first`, and else of what is large, the first line tells."""
    order = sorted(
        (path for path, noted in inventory.items() if noted.kind == "file"),
        key=lambda path: (not path.startswith(tuple(first)), -inventory[path].size, path),
    )
    chosen = {path: astuple(inventory[path]) for path in order[:_CHOSEN]}
    head = json.dumps({"format": _FORMAT, "chosen": chosen}).encode()
    body = json.dumps({path: astuple(noted) for path, noted in inventory.items()}).encode()
    write_atomically(file, head + b"\n" + zlib.compress(body, 1))


def read_inventory(file: Path) -> Inventory | None:
    """All of an inventory; None where there is none, or a damaged one."""
    try:
        said = json.loads(zlib.decompress(file.read_bytes().partition(b"\n")[2]))
        return {path: Noted(*noted) for path, noted in said.items()}
    except (OSError, ValueError, TypeError, AttributeError, zlib.error):
        return None


def change_at_a_look(top: Path, file: Path) -> str | None:
    """What the chosen entries of a tree tell: how it changed, None when they are as they were.

    Args:
        top: the tree.
        file: its inventory.
    """
    try:
        with file.open("rb") as stream:
            said = json.loads(stream.readline())
        if said["format"] != _FORMAT:
            return "its inventory is of another mlimage"
        chosen = {path: Noted(*noted) for path, noted in said["chosen"].items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return "it has no inventory"
    for path, noted in chosen.items():
        try:
            found = os.lstat(f"{top}/{path}")
        except OSError:
            return f"`/{path}` is missing"
        if not noted.fits(found):
            return f"`/{path}` was changed"
    return None


def changes(
    top: Path, file: Path, *, deep: bool, advance: Callable[[int], None] = lambda _: None
) -> Iterator[str] | None:
    """How a tree differs from its inventory, entry by entry; None where it has none.

    Args:
        top: the tree.
        file: its inventory.
        deep: read every file; else only those that were touched since (`ctime`), whatever their time says.
        advance: is told the bytes of each file that is done.
    """
    inventory = read_inventory(file)
    if inventory is None:
        return None
    return _changes(top, inventory, since=-1 if deep else file.stat().st_mtime_ns, advance=advance)


def _changes(top: Path, inventory: Inventory, *, since: int, advance: Callable[[int], None]) -> Iterator[str]:
    left = set(inventory)
    for at, name, path, found in _entries(top):
        noted = inventory.get(path)
        if noted is None:
            if not _may_be_added(path, found):
                yield f"`/{path}` was added"
            continue
        left.discard(path)
        touched = noted.kind != "folder" and found.st_ctime_ns > since
        if not noted.fits(found) or (touched and _digest(at, name, found) != noted.digest):
            yield f"`/{path}` was changed"
        if noted.kind == "file":
            advance(found.st_size)
    yield from (f"`/{path}` is missing" for path in sorted(left))


def _may_be_added(path: str, found: os.stat_result) -> bool:
    return stat.S_ISDIR(found.st_mode) or (path in _MOUNT_POINTS and not found.st_size)


def _entries(top: Path) -> Iterator[tuple[Descent, str, str, os.stat_result]]:
    """Where each entry of a tree is, its name there, its path and what it is; what is gone is passed over."""
    for at, entries in walk(top):
        folder = at.path
        for entry in entries:
            try:
                found = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            yield at, entry.name, f"{folder}/{entry.name}" if folder else entry.name, found


def _digest(at: Descent, name: str, found: os.stat_result) -> str:
    try:
        if stat.S_ISLNK(found.st_mode):
            target = os.readlink(name, dir_fd=at.descriptor)
            return hashlib.sha256(os.fsencode(target)).hexdigest()
        if stat.S_ISREG(found.st_mode):
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
            with io.FileIO(os.open(name, flags, dir_fd=at.descriptor)) as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        pass
    return ""
