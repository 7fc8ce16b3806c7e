"""Ports of this machine: whether one is free, who has it when it is not, and what a program listens on."""

import errno
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Final

from mlimage.errors import RunError

_LISTENS: Final = "0A"
_PROC: Final = Path("/proc")


@dataclass(frozen=True, slots=True, order=True)
class Listener:
    """A TCP socket that a program listens on: IP address and port."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"{f'[{self.address}]' if ':' in self.address else self.address}:{self.port}"

    @property
    def everywhere(self) -> bool:
        """Whether it is reached at each address of its network."""
        return _parsed(self.address).is_unspecified

    @property
    def alone(self) -> bool:
        """Whether only its own network reaches it."""
        return _parsed(self.address).is_loopback


def _parsed(address: str) -> IPv4Address | IPv6Address:
    return IPv6Address(address) if ":" in address else IPv4Address(address)


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


def port_owner(port: int, proc: Path = _PROC) -> str | None:
    """Who listens on a TCP port, as `name` (process 123); None where this user may not see it."""
    sockets = {inode for inode, found in _listening(proc / "net").items() if found.port == port}
    if not sockets:
        return None
    for process in proc.glob("[0-9]*"):
        if not sockets.isdisjoint(_sockets(process)):
            with suppress(OSError):
                name = (process / "comm").read_text(errors="replace").strip()
                return f"`{name}` (process {process.name})"
    return None


def listeners(process: int, *, own_network: bool, proc: Path = _PROC) -> tuple[Listener, ...]:
    """What a process and its descendants listen on, in order; nothing of one that has ended.

    Args:
        process: its number.
        own_network: whether nobody else is in its network.
        proc: where the kernel tells it.
    """
    found = _listening(proc / str(process) / "net")
    if not own_network:
        own = {inode for each in _family(process, proc) for inode in _sockets(proc / str(each))}
        found = {inode: listener for inode, listener in found.items() if inode in own}
    return tuple(sorted(set(found.values())))


def parse_listeners(table: str) -> dict[str, Listener]:
    """The listening sockets of `/proc/net/tcp` or `tcp6`, by inode; see the kernel's `proc_net_tcp.rst`."""
    rows = [line.split() for line in table.splitlines()]
    return {row[9]: _listener(row[1]) for row in rows if len(row) > 9 and row[3] == _LISTENS}


def _listener(text: str) -> Listener:
    words, _, port = text.rpartition(":")
    # Words of 32 bits in the machine's order, of which each was read as one number.
    raw = b"".join(int(words[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(words), 8))
    address = IPv4Address(raw) if len(raw) == 4 else IPv6Address(raw).ipv4_mapped or IPv6Address(raw)
    return Listener(str(address), int(port, 16))


def _listening(folder: Path) -> dict[str, Listener]:
    found: dict[str, Listener] = {}
    for name in ("tcp", "tcp6"):
        with suppress(OSError):
            found |= parse_listeners((folder / name).read_text())
    return found


def _sockets(process: Path) -> Iterator[str]:
    """Inodes of what a process has open; nothing where it has ended, or belongs to somebody else."""
    with suppress(OSError):
        for entry in (process / "fd").iterdir():
            with suppress(OSError):
                kind, _, inode = str(entry.readlink()).partition(":")
                if kind == "socket":
                    yield inode.strip("[]")


def _family(process: int, proc: Path) -> frozenset[int]:
    """A process and its descendants."""
    children: dict[int, list[int]] = {}
    for folder in proc.glob("[0-9]*"):
        with suppress(OSError):
            # proc_pid_stat(5): behind the name, which may have parentheses, the state and the parent.
            parent = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[1]
            children.setdefault(int(parent), []).append(int(folder.name))
    return frozenset(_descendants(process, children))


def _descendants(process: int, children: Mapping[int, list[int]]) -> Iterator[int]:
    yield process
    for child in children.get(process, ()):
        yield from _descendants(child, children)
