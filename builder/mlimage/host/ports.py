"""Ports of this machine: whether one is free, who has it when it is not, and one that is."""

import errno
import socket
from pathlib import Path

from mlimage.errors import RunError


def free_port(address: str, wanted: int) -> int:
    """The wanted port, or any free one for 0, after making sure that nobody listens there.

    Raises:
        RunError: it is taken (by whom, where the kernel tells), not allowed, or not this machine's address.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: a port whose last connections still close is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, wanted))
        except OSError as error:
            raise _refused(address, wanted, error) from error
        number: int = probe.getsockname()[1]
        return number


def _refused(address: str, port: int, error: OSError) -> RunError:
    if error.errno == errno.EADDRINUSE:
        owner = port_owner(port)
        return RunError(
            f"port {port} of {address} is taken" + (f" by {owner}" if owner else ""),
            hint="choose another with --port NUMBER, or any free one with --port 0",
        )
    if error.errno == errno.EACCES:
        return RunError(f"port {port} needs root", hint="choose one from 1024 on with --port NUMBER")
    return RunError(
        f"cannot listen on {address} port {port}: {(error.strerror or str(error)).lower()}",
        hint="choose another with --port [ADDRESS:]NUMBER",
    )


def port_owner(port: int, proc: Path = Path("/proc")) -> str | None:
    """Who listens on a TCP port, as `name` (process 123); None where this user may not see it."""
    sockets = {
        f"socket:[{inode}]" for table in ("tcp", "tcp6") for inode in _listening(proc / "net" / table, port)
    }
    if not sockets:
        return None
    for process in proc.glob("[0-9]*"):
        try:
            if any(str(entry.readlink()) in sockets for entry in (process / "fd").iterdir()):
                name = (process / "comm").read_text(errors="replace").strip()
                return f"`{name}` (process {process.name})"
        except OSError:
            continue  # it ended meanwhile, or belongs to somebody else
    return None


def _listening(table: Path, port: int) -> list[str]:
    """Inodes of the listening sockets in `/proc/net/tcp`; the kernel's `proc_net_tcp.rst` has its columns."""
    try:
        lines = table.read_text().splitlines()[1:]
    except OSError:
        return []
    rows = [line.split() for line in lines]
    listens = "0A"
    return [
        row[9]
        for row in rows
        if len(row) > 9 and row[3] == listens and int(row[1].rpartition(":")[2], 16) == port
    ]
