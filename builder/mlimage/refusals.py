"""What the machine refuses, in words: which limit is reached, whose folder it is about, and what helps.

The one home of that. A write(2) that fails does not say where: whoever writes does, by `atomic.writing`.
"""

import errno
import os
import resource
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from mlimage.atomic import PARTIAL, STANDARD_OUTPUT, TEMPORARY
from mlimage.bounds import shown
from mlimage.cache import default_cache
from mlimage.errors import MlimageError
from mlimage.regular import UnfitFileError

EXHAUSTED: Final = frozenset({
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN,
})  # fmt: skip
"""What says that this machine has no more to give, whatever was being done: to read, to connect, to start."""

_CGROUP: Final = Path("/sys/fs/cgroup")
_ENOUGH_FILES: Final = 4096
_NEARLY: Final = 0.8
"""Some of what met the limit of a control group has ended again when it is looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What was refused, with its place where it has one, and what the user can do."""

    what: str
    hint: str


class _Owner(Enum):
    """Whose folder something is in."""

    CACHE = "cache"
    TEMPORARY = "temporary"
    USER = "user"
    OUTPUT = "output"


_MORE_ROOM: Final[Mapping[_Owner, str]] = {
    _Owner.CACHE: "free some (`mlimage cache prune`), or set MLIMAGE_CACHE to a folder on another disk",
    _Owner.TEMPORARY: "free some there, or set TMPDIR to a folder on another disk",
    _Owner.USER: "free some there, or work in a folder on another disk",
    _Owner.OUTPUT: "free some where it goes, or let it go to another disk",
}
_TO_WRITE: Final[Mapping[_Owner, str]] = {
    _Owner.CACHE: "set MLIMAGE_CACHE to a folder that you may write",
    _Owner.TEMPORARY: "set TMPDIR to a folder that you may write",
    _Owner.USER: "change its owner, mode or place, or work in a copy of the project",
    _Owner.OUTPUT: "let it go to a file that you may write",
}


def refusal_of(error: BaseException, *, cgroups: Path = _CGROUP) -> Refusal | None:
    """What an error says of this machine; None where it says nothing of it.

    Args:
        error: what was raised.
        cgroups: where the kernel tells of control groups.
    """
    if isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and str(error) == "can't allocate lock"
    ):
        return _memory()
    if isinstance(error, RuntimeError) and str(error) == "can't start new thread":
        return _processes(cgroups)
    if not isinstance(error, OSError):
        return None
    if isinstance(error, UnfitFileError):
        return Refusal(
            what=f"`{_final(os.fsdecode(error.filename))}` cannot be read: {error.strerror}",
            hint="put a regular file there",
        )
    if isinstance(error, FileNotFoundError) and str(error.strerror).startswith("No usable temporary"):
        return Refusal(
            what="there is no folder for temporary files: each is full, or cannot be written",
            hint="set TMPDIR to a folder that you may write, on a disk with space",
        )
    match error.errno:
        case errno.EAGAIN if error.strerror == os.strerror(errno.EAGAIN):  # else a write that would wait
            return _processes(cgroups)
        case errno.ENOMEM:
            return _memory()
        case errno.EMFILE:
            return _open_files()
        case errno.ENFILE:
            return Refusal(
                what="too many files are open on this machine",
                hint="close other programs, or raise fs.file-max",
            )
        case errno.ENAMETOOLONG if error.filename:
            return Refusal(
                what=f"a name is too long for the file system: `{shown(os.fsdecode(error.filename))}`",
                hint="type a shorter name, or work in a folder with a shorter path",
            )
    return _of_place(error)


def exhausted_by(error: BaseException) -> BaseException | None:
    """What an error was raised from that says that the machine has no more to give, or itself if it does."""
    at: BaseException | None = error
    seen = set()  # chains may end in a circle
    while at is not None and id(at) not in seen:
        if isinstance(at, MemoryError) or (isinstance(at, OSError) and at.errno in EXHAUSTED):
            return at
        seen.add(id(at))
        at = at.__cause__
    return None


def _of_place(error: OSError) -> Refusal | None:
    """What is about a file or its disk."""
    names = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
    if len(names) == 2 and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}:
        names = names[1:]  # a copy: it was the target that could not be written
    paths = list(dict.fromkeys(_final(name) for name in names))
    owner = _owner(paths)
    found = _words(error.errno or 0, owner, paths[-1] if paths else None)
    if found is None:
        return None
    what, hint = found
    return Refusal(what=f"{' -> '.join(f'`{path}`' for path in paths)}: {what}" if paths else what, hint=hint)


def _words(number: int, owner: _Owner, path: str | None) -> tuple[str, str] | None:
    match number:
        case errno.ENOSPC if path is not None and _lacks_inodes(path):
            return "the disk has no inodes left for more files", _MORE_ROOM[owner].replace(
                "free some", "delete files", 1
            )
        case errno.ENOSPC:
            return "no space is left on the disk", _MORE_ROOM[owner]
        case errno.EDQUOT:
            return "your disk quota is used up", _MORE_ROOM[owner]
        case errno.EFBIG:
            return _large_files(owner)
        case errno.EROFS:
            return "the file system is read-only", _TO_WRITE[owner]
        case errno.EACCES:
            return "permission denied", (
                "change its owner or mode, or set MLIMAGE_CACHE to a folder of your own"
                if owner is _Owner.CACHE
                else _TO_WRITE[owner]
            )
        case errno.EPERM:
            return "the operation is not permitted", "change its owner or mode, or run as another user"
        case errno.ENOTDIR | errno.EEXIST if owner is _Owner.CACHE:
            return "a file stands where a folder should be", "set MLIMAGE_CACHE to a folder"
        case errno.EIO:
            return "the disk answers with errors", "look at `dmesg`"
        case _:
            return None


def _final(name: str) -> str:
    """The path; of an unfinished file the folder, which is what the user knows."""
    parts = name.split("/")
    unfinished = next((at for at, part in enumerate(parts) if part.startswith(PARTIAL)), len(parts))
    return "/".join(parts[:unfinished]) or ("." if not name.startswith("/") else "/")


def _owner(paths: list[str]) -> _Owner:
    if STANDARD_OUTPUT in paths:
        return _Owner.OUTPUT
    places = [Path(path).absolute() for path in paths]
    if (cache := _cache()) and any(p.is_relative_to(cache) or cache.is_relative_to(p) for p in places):
        return _Owner.CACHE
    if any(map(_is_temporary, places)):
        return _Owner.TEMPORARY
    return _Owner.USER


def _cache() -> Path | None:
    try:
        return default_cache(os.environ).root.absolute()
    except MlimageError:
        return None


def _is_temporary(place: Path) -> bool:
    """Whether it is TMPDIR itself, or in something of ours there; others may have their project in it."""
    try:
        parts = place.relative_to(Path(tempfile.gettempdir()).absolute()).parts
    except (OSError, ValueError):
        return False
    return not parts or parts[0].startswith(TEMPORARY)


def _lacks_inodes(path: str) -> bool:
    """Whether the disk of a path, or of the nearest folder above it, has space and no inodes."""
    place = Path(path).absolute()
    for folder in (place, *place.parents):
        try:
            disk = os.statvfs(folder)
        except FileNotFoundError:
            continue
        except OSError:
            return False
        return disk.f_files > 0 and disk.f_favail == 0 and disk.f_bavail > 0
    return False


def _large_files(owner: _Owner) -> tuple[str, str]:
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    if limit == resource.RLIM_INFINITY:
        return "the file system does not support files this large", _MORE_ROOM[owner].replace(
            "free some, or ", "", 1
        )
    return f"no file may be larger than {limit} bytes (`ulimit -f`)", "raise the limit: `ulimit -f unlimited`"


def _open_files() -> Refusal:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = _ENOUGH_FILES if hard == resource.RLIM_INFINITY else min(max(_ENOUGH_FILES, soft * 2), hard)
    return Refusal(
        what=f"too many files are open: the limit is {soft} (`ulimit -n`)",
        hint=f"raise the limit: `ulimit -n {enough}`"
        if enough > soft
        else f"ask root to raise your hard limit of {hard} (`ulimit -Hn`)",
    )


def _processes(cgroups: Path) -> Refusal:
    """No more processes, of which threads are some: a limit of the control group, the user or the memory."""
    what = "no more processes and threads can be started"
    if (pids := _full_group(cgroups)) is not None:
        return Refusal(
            what=f"{what}: the limit of the control group is {pids} (pids.max)",
            hint="give it more (`docker run --pids-limit`, systemd's TasksMax)",
        )
    soft, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    if soft != resource.RLIM_INFINITY and os.geteuid() != 0:
        return Refusal(
            what=f"{what}: your limit is {soft} (`ulimit -u`)",
            hint="end other programs of yours, or ask root to raise the limit",
        )
    memory, _ = resource.getrlimit(resource.RLIMIT_AS)
    if memory != resource.RLIM_INFINITY:
        return Refusal(
            what=f"{what} in {memory >> 10} KiB of memory (`ulimit -v`)",
            hint="raise the limit: `ulimit -v unlimited`",
        )
    return Refusal(what=what, hint="end other programs, or raise kernel.pid_max and kernel.threads-max")


def _memory() -> Refusal:
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        return Refusal(
            what=f"the memory limit of {soft >> 10} KiB is used up (`ulimit -v`)",
            hint="raise the limit: `ulimit -v unlimited`",
        )
    return Refusal(what="no memory is left on this machine", hint="end other programs")


def _full_group(cgroups: Path) -> int | None:
    """How many processes the control group (version 2), or one above it, may have, where it nearly does."""
    try:
        text = Path("/proc/self/cgroup").read_text()
        place = cgroups / next(line[3:].strip("/") for line in text.splitlines() if line.startswith("0::"))
    except (OSError, StopIteration):
        return None
    for folder in (place, *place.parents):
        try:
            limit, now = (int((folder / name).read_text()) for name in ("pids.max", "pids.current"))
        except (OSError, ValueError):  # none, or `max`
            continue
        if now >= limit * _NEARLY:
            return limit
    return None
