"""A way out of a sandbox's own network, and the way in to its server: pasta, or slirp4netns.

Both are ordinary programs that carry packets between a network namespace and sockets of this machine's, as
rootless Podman and Docker use them: https://passt.top, https://github.com/rootless-containers/slirp4netns
"""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from mlimage.errors import RunError
from mlimage.host.request import Port
from mlimage.process import Command, spawn

_TUN: Final = Path("/dev/net/tun")
_PATIENCE: Final = 5.0
"""Seconds in which such a program is ready, or has said why it cannot be."""
_TURN: Final = 0.002
_WATCHED: Final = 'exec 3<&0; (read _ <&3; kill $$) & exec "$@"'
"""Becomes a program that ends with the pipe which is its standard input, however mlimage ends: neither of
them does so itself in all of its versions, and both lose the kernel's signal for it with their rights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlet:
    """The program that is used, and the address at which it answers for this machine's name servers."""

    program: str
    nameserver: str

    @property
    def name(self) -> str:
        """`pasta` or `slirp4netns`."""
        return Path(self.program).name


def find_outlet(
    *, root: bool, which: Callable[[str], str | None] = shutil.which, tun: Path = _TUN
) -> Outlet | None:
    """What of them can be used here.

    Args:
        root: whether this user is root, as whom pasta does not work: it becomes another one.
        which: where a program is.
        tun: the device that both need.
    """
    if not os.access(tun, os.R_OK | os.W_OK):
        return None
    return _installed(root=root, which=which)


def lacks_outlet(*, root: bool, which: Callable[[str], str | None] = shutil.which, tun: Path = _TUN) -> str:
    """What to do where `find_outlet` finds none, for the sandbox to have a network of its own."""
    pasta = "" if root else "pasta (Debian: apt-get install passt) or "
    steps = [] if _installed(root=root, which=which) else [f"install {pasta}slirp4netns"]
    if not os.access(tun, os.R_OK | os.W_OK):
        steps.append(f"let this user open {tun}")
    return " and ".join(steps)


def _installed(*, root: bool, which: Callable[[str], str | None]) -> Outlet | None:
    for name, nameserver in (("pasta", "169.254.1.1"), ("slirp4netns", "10.0.2.3")):
        program = which(name)
        if program and not (root and name == "pasta"):
            return Outlet(program=program, nameserver=nameserver)
    return None


def command(outlet: Outlet, port: Port, process: int | str, folder: Path) -> Command:
    """The command that connects the network of a process, and publishes the port. Pure.

    Args:
        outlet: what does it.
        port: where the server is reached; slirp4netns is told later.
        process: number of a process in that network.
        folder: where it may write.
    """
    if outlet.name == "pasta":
        published = f"{port.address}/{port.number}:{port.inside}"
        nothing_else = ("-u", "none", "-T", "none", "-U", "none", "--no-map-gw")
        return Command(
            argv=(
                *(outlet.program, "--foreground", "--quiet", "--log-file", str(folder / "log")),
                *("--pid", str(folder / "ready"), "--config-net", "--dns-forward", outlet.nameserver),
                *("-t", published, *nothing_else, str(process)),
            )
        )
    return Command(
        argv=(
            *(outlet.program, "--configure", "--mtu=65520", "--disable-host-loopback"),
            *("--api-socket", str(folder / "ready"), str(process), "tap0"),
        )
    )


def resolver(outlet: Outlet, machines: str) -> str:
    """The `resolv.conf` of the sandbox: of this machine's all but the servers. Pure."""
    kept = [
        line for line in machines.splitlines() if line.split()[:1] in (["search"], ["domain"], ["options"])
    ]
    return "\n".join([f"nameserver {outlet.nameserver}", *kept, ""])


@contextmanager
def opened(outlet: Outlet, port: Port, sandbox: "subprocess.Popen[bytes]", folder: Path) -> Iterator[None]:
    """Connect the sandbox's network while the block runs; it has ended when the block ends.

    Raises:
        RunError: it cannot be connected.
    """
    _await(lambda: _has_own_network(sandbox.pid), lambda: sandbox.poll() is None)
    if sandbox.poll() is not None:
        yield  # it says itself what it lacks
        return
    with ExitStack() as stack:
        log = stack.enter_context((folder / "log").open("ab"))
        theirs, ours = os.pipe()
        wanted = command(outlet, port, sandbox.pid, folder)
        try:
            process = spawn(
                replace(wanted, argv=("sh", "-c", _WATCHED, "sh", *wanted.argv), inherit=True),
                stdin=theirs,
                stdout=log.fileno(),
                stderr=log.fileno(),
                new_session=True,
            )
        finally:
            os.close(theirs)
        stack.callback(process.wait)
        stack.callback(os.close, ours)
        ready = folder / "ready"
        if not _await(lambda: _is_ready(outlet, port, ready), lambda: process.poll() is None):
            raise _failed(outlet, (folder / "log").read_text(errors="replace"))
        yield


def _await(done: Callable[[], bool], lives: Callable[[], bool]) -> bool:
    until = time.monotonic() + _PATIENCE
    while not done():
        if not lives() or time.monotonic() > until:
            return False
        time.sleep(_TURN)
    return True


def _has_own_network(process: int) -> bool:
    """Whether it has left this one, and may act in its own."""
    with suppress(OSError):
        mapped = Path(f"/proc/{process}/uid_map").read_text().strip()
        return (
            bool(mapped)
            and Path(f"/proc/{process}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()
        )
    return False


def _is_ready(outlet: Outlet, port: Port, ready: Path) -> bool:
    """Pasta writes its number into the file then; slirp4netns listens, and is told what it forwards."""
    if outlet.name == "pasta":
        return ready.is_file() and ready.stat().st_size > 0
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(ready))
        except OSError:
            return False
        connection.settimeout(_PATIENCE)
        try:
            connection.sendall(_forwarding(port))
            connection.shutdown(socket.SHUT_WR)
            said = json.loads(connection.makefile("rb").read())
        except (OSError, ValueError) as error:
            raise _failed(outlet, str(error)) from error
    if "error" in said:
        raise _failed(outlet, str(said["error"].get("desc", said["error"])))
    return True


def _forwarding(port: Port) -> bytes:
    places = {"host_addr": port.address, "host_port": port.number, "guest_port": port.inside}
    return json.dumps({"execute": "add_hostfwd", "arguments": {"proto": "tcp", **places}}).encode()


def _failed(outlet: Outlet, said: str) -> RunError:
    why = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "it says nothing")
    return RunError(
        f"`{outlet.name}` cannot connect the sandbox's network: {why}",
        hint=f"--runtime docker does without; where {outlet.name} is not on PATH, the sandbox shares this "
        "machine's network",
    )
