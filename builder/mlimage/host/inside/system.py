"""System calls that Python has no functions for: mounts, namespaces, privileges. Linux only.

Numbers are those of the kernel's headers (`linux/mount.h`, `prctl.h`, `sched.h`), equal everywhere.
Nothing here may need a module or a codec that is not loaded: after `change_root` Python's files are gone.
"""

import ctypes
import fcntl
import os
import socket
import struct
from typing import Final

MS_RDONLY: Final = 0x1
MS_NOSUID: Final = 0x2
MS_NODEV: Final = 0x4
MS_NOEXEC: Final = 0x8
MS_REMOUNT: Final = 0x20
MS_NOATIME: Final = 0x400
MS_NODIRATIME: Final = 0x800
MS_BIND: Final = 0x1000
MS_REC: Final = 0x4000
MS_RELATIME: Final = 0x200000

_MNT_DETACH: Final = 2
_CLONE_NEWUSER: Final = 0x10000000
_PR_CAPBSET_DROP: Final = 24
_PR_SET_NO_NEW_PRIVS: Final = 38
_LAST_CAPABILITY: Final = "/proc/sys/kernel/cap_last_cap"

KEPT_CAPABILITIES: Final = frozenset({0, 1, 3, 4, 5, 6, 7, 10})
"""What root in a sandbox may: CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, NET_BIND_SERVICE.
Docker leaves a few more, none of which training or serving needs."""

_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP: Final = 0x1

_libc = ctypes.CDLL(None, use_errno=True)


def mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    """`mount(2)`; raises `OSError` that names the target."""
    result = _libc.mount(_bytes(source), _bytes(target), _bytes(kind), ctypes.c_ulong(flags), _bytes(options))
    _check(result, target)


def bring_up_loopback() -> None:
    """Let a new network namespace, which reaches nothing, reach itself at 127.0.0.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", _IFF_UP))


def change_root(folder: str) -> None:
    """Make `folder`, a mount point, the root of this mount namespace, and let the old root go.

    The way of pivot_root(2), "pivot_root(".", ".")": no folder for the old root is needed.
    """
    os.chdir(folder)
    _check(_libc.pivot_root(b".", b"."), folder)
    _check(_libc.umount2(b".", _MNT_DETACH), "the old root")
    os.chdir("/")


def become(uid: int, gid: int, *, mapped: bool) -> None:
    """Change to a user for good: no capabilities remain for others than root, and none can be gained.

    Args:
        uid: user.
        gid: group.
        mapped: this process is root by a user namespace with one user, so `uid` becomes another name of it.
    """
    for capability in range(_last_capability() + 1):
        if capability not in KEPT_CAPABILITIES:
            _check(_libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0), "capabilities")
    if mapped:
        if (uid, gid) != (0, 0):
            _check(_libc.unshare(_CLONE_NEWUSER), "user namespace")
            _write("/proc/self/uid_map", f"{uid} 0 1")
            _write("/proc/self/gid_map", f"{gid} 0 1")
    else:
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "privileges")


def _last_capability() -> int:
    with open(_LAST_CAPABILITY, encoding="utf-8") as stream:  # noqa: PTH123 - one line of /proc
        return int(stream.read())


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as stream:  # noqa: PTH123 - one line of /proc
        stream.write(text)


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else os.fsencode(text)


def _check(result: int, subject: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), subject)
