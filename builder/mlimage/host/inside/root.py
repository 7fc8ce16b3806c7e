"""The file system that a sandboxed program sees: the image, read-only, and the few mounts that it needs.

Every mount point is looked at without following symbolic links: those of the image could lead out of it.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mlimage.host.inside import system
from mlimage.host.inside.settings import Bind, Settings

_DEVICES: Final = ("full", "null", "random", "tty", "urandom", "zero")
_LINKS: Final = {
    "fd": "/proc/self/fd",
    "ptmx": "pts/ptmx",
    "stderr": "/proc/self/fd/2",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
}
_KERNEL_SETTINGS: Final = ("acpi", "bus", "fs", "irq", "scsi", "sys", "sysrq-trigger")
"""What of `/proc` changes the machine; the list is what Docker makes read-only, and what it hides of such."""
_PLAIN: Final = system.MS_NOSUID | system.MS_NODEV | system.MS_NOEXEC


def enter(settings: Settings) -> None:
    """Mount everything and make it the root of this process; raises `OSError` that names what cannot be."""
    root = _image(settings)
    system.mount("proc", _folder(root, "/proc"), "proc", _PLAIN)
    for name in _KERNEL_SETTINGS:
        if Path(f"{root}/proc/{name}").exists():
            system.mount(f"{root}/proc/{name}", f"{root}/proc/{name}", None, system.MS_BIND)
            _read_only(f"{root}/proc/{name}")
    system.mount("/sys", _folder(root, "/sys"), None, system.MS_BIND | system.MS_REC)
    _read_only_tree(f"{root}/sys")
    _devices(root, settings.shm)
    system.mount("tmpfs", _folder(root, "/tmp"), "tmpfs", system.MS_NOSUID | system.MS_NODEV, "mode=1777")  # noqa: S108 - the sandbox's own
    _read_only(f"{root}/dev")  # the folder, not what is mounted in it
    _binds(root, settings.binds)
    if settings.scratch is None:
        _read_only(root)
    system.change_root(root)


def _image(settings: Settings) -> str:
    if settings.scratch is None:
        # A mount of its own, so that it can be made read-only here and nowhere else.
        system.mount(settings.root, settings.root, None, system.MS_BIND)
        return settings.root
    system.mount("tmpfs", settings.scratch, "tmpfs", system.MS_NOSUID | system.MS_NODEV, "mode=755")
    parts = {name: f"{settings.scratch}/{name}" for name in ("upper", "work", "root")}
    for folder in parts.values():
        Path(folder).mkdir()
    # A user namespace may not write the trusted.* attributes that overlay marks its folders with.
    options = f"lowerdir={settings.root},upperdir={parts['upper']},workdir={parts['work']}"
    system.mount("overlay", parts["root"], "overlay", 0, options + (",userxattr" if settings.mapped else ""))
    return parts["root"]


def _devices(root: str, shm: int) -> None:
    folder = _folder(root, "/dev")
    system.mount("tmpfs", folder, "tmpfs", system.MS_NOSUID, "mode=755,size=65536k")
    for name in _DEVICES:
        Path(folder, name).touch()
        system.mount(f"/dev/{name}", f"{folder}/{name}", None, system.MS_BIND)
    for name, target in _LINKS.items():
        Path(folder, name).symlink_to(target)
    for name in ("pts", "shm"):
        Path(folder, name).mkdir()
    system.mount(
        "devpts",
        f"{folder}/pts",
        "devpts",
        system.MS_NOSUID | system.MS_NOEXEC,
        "newinstance,ptmxmode=0666,mode=0620",
    )
    system.mount(
        "tmpfs", f"{folder}/shm", "tmpfs", system.MS_NOSUID | system.MS_NODEV, f"mode=1777,size={shm}"
    )


def _binds(root: str, binds: tuple[Bind, ...]) -> None:
    # Where the image lacks a mount point below a folder, that folder is replaced by an empty one that has it.
    parents = {str(Path(bind.target).parent) for bind in binds if not os.path.lexists(root + bind.target)}
    for parent in sorted(parents - {"/", "/etc"}):
        system.mount(
            "tmpfs", _folder(root, parent), "tmpfs", system.MS_NOSUID | system.MS_NODEV, "mode=755,size=64k"
        )
    for bind in binds:
        is_folder = Path(bind.source).is_dir()
        target = _folder(root, bind.target) if is_folder else _file(root, bind.target)
        if target is None:
            continue
        system.mount(bind.source, target, None, system.MS_BIND | system.MS_REC)
        if not bind.writable:
            _read_only_tree(target)
    for parent in sorted(parents - {"/", "/etc"}):
        _read_only(root + parent)


def _folder(root: str, path: str) -> str:
    """The folder `path` of the image, made when it is missing; raises `OSError` when it is something else."""
    at = root
    for part in path.strip("/").split("/"):
        at = f"{at}/{part}"
        try:
            mode = os.lstat(at).st_mode
        except FileNotFoundError:
            Path(at).mkdir(exist_ok=True)
            continue
        if not stat.S_ISDIR(mode):
            raise NotADirectoryError(20, "it is no folder in this image", path)
    return at


def _file(root: str, path: str) -> str | None:
    """The file `path` of the image, made when it is missing; None where there is something else."""
    at = f"{_folder(root, str(Path(path).parent))}/{Path(path).name}"
    try:
        return at if stat.S_ISREG(os.lstat(at).st_mode) else None
    except FileNotFoundError:
        Path(at).touch()
        return at


def _read_only_tree(folder: str) -> None:
    """Make a mount read-only, and every mount below it."""
    for place in sorted(_mounts(folder)):
        _read_only(place)


def _mounts(folder: str) -> Iterator[str]:
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as stream:  # noqa: PTH123 - /proc
        for line in stream:
            # proc_pid_mountinfo(5): the fifth field, with octal escapes for white space and backslashes.
            place = line.split(" ")[4].encode("utf-8", "surrogateescape").decode("unicode_escape")
            place = place.encode("latin-1").decode("utf-8", "surrogateescape")
            if place == folder or place.startswith(f"{folder}/"):
                yield place


def _read_only(place: str) -> None:
    found = os.statvfs(place).f_flag
    # In a user namespace a remount must keep the flags that the mount came with, mount_namespaces(7).
    kept = (
        (os.ST_NOSUID, system.MS_NOSUID),
        (os.ST_NODEV, system.MS_NODEV),
        (os.ST_NOEXEC, system.MS_NOEXEC),
        (os.ST_NOATIME, system.MS_NOATIME),
        (os.ST_NODIRATIME, system.MS_NODIRATIME),
        (os.ST_RELATIME, system.MS_RELATIME),
    )
    flags = sum(flag for seen, flag in kept if found & seen)
    system.mount(None, place, None, system.MS_BIND | system.MS_REMOUNT | system.MS_RDONLY | flags)
