"""The users and groups of a base, from the master files of `base-passwd`."""

from collections.abc import Iterator
from typing import Final

from mlimage.content.entry import MTIME, Entry, directory, file_of_bytes

NONROOT: Final = 65532
"""User and group that images run as; the number that distroless images use too."""
_SHADOW: Final = 42
"""Group `shadow`: its number is the same on every Debian system."""
_CHANGED: Final = MTIME // 86400
"""Day of the last password change: a constant, where `useradd` would write today's."""


def accounts(passwd: str, group: str, *, origin: str) -> Iterator[Entry]:
    """`/etc/passwd`, `group`, `shadow` and `gshadow`, with the user `nonroot` and its home added.

    Nobody has a password: all are locked.

    Args:
        passwd: text of `passwd.master`, passwd(5).
        group: text of `group.master`, group(5).
        origin: the package that has them.
    """
    users = [line.split(":") for line in passwd.splitlines() if line]
    groups = [line.split(":") for line in group.splitlines() if line]
    users.append(
        ["nonroot", "x", str(NONROOT), str(NONROOT), "nonroot", "/home/nonroot", "/usr/sbin/nologin"]
    )
    groups.append(["nonroot", "x", str(NONROOT), ""])

    def table(path: str, rows: list[list[str]], mode: int = 0o644, gid: int = 0) -> Entry:
        text = "".join(":".join(row) + "\n" for row in rows)
        return file_of_bytes(path, text.encode(), origin=origin, mode=mode, gid=gid)

    yield table("etc/passwd", [[name, "x", *rest] for name, _, *rest in users])
    yield table("etc/group", [[name, "x", *rest] for name, _, *rest in groups])
    locked = ["*", str(_CHANGED), "0", "99999", "7", "", "", ""]
    yield table("etc/shadow", [[user[0], *locked] for user in users], mode=0o640, gid=_SHADOW)
    yield table("etc/gshadow", [[row[0], "*", "", row[3]] for row in groups], mode=0o640, gid=_SHADOW)
    yield directory("home/nonroot", origin=origin, mode=0o700, uid=NONROOT, gid=NONROOT)
