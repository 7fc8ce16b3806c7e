"""A sandbox that runs: its server, its signals and its end."""

import json
import os
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Final

from mlimage.errors import RunError
from mlimage.host.cgroup import was_out_of_memory
from mlimage.host.door import Door
from mlimage.host.health import status_of
from mlimage.host.outlet import lacks_outlet
from mlimage.host.ports import Listener, listeners
from mlimage.host.reach import Server, dial, reachable
from mlimage.host.request import LOOPBACK, RunRequest
from mlimage.host.session import Ended, out_of_memory
from mlimage.platforms import Platform, native_platform

_EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - compared, not bound


class Sandbox:
    """A sandbox that runs; see `session.Started`."""

    def __init__(
        self,
        process: "subprocess.Popen[bytes]",
        control: int,
        status: int,
        door: Door | None,
        cgroup: Path | None,
        request: RunRequest,
    ) -> None:
        self._process = process
        # As a file, for it may be closed by two threads at once, and a number would then be another's.
        self._control = open(control, "wb", buffering=0)  # noqa: SIM115 - `close` does it
        self._status = status
        self._door = door
        self._cgroup = cgroup
        self._request = request
        self._killed = False

    def wait(self) -> Ended:
        """Wait for its end; raises `RunError` when it could not even start."""
        with os.fdopen(self._status, "rb") as stream:
            lines = stream.read().splitlines()
        left = self._process.wait()
        said = json.loads(lines[0]) if lines else {}
        if "failure" in said:
            raise RunError(
                f"cannot start in the sandbox: {said['failure']}",
                hint=_hint(str(said["failure"]), self._request.image.platform),
            )
        if "status" not in said and not self._killed:
            raise RunError(
                f"`unshare` ended with status {left}",
                hint="its message above says why; --runtime docker is the other way",
            )
        status = int(said.get("status", 128 + signal.SIGKILL))
        if self._cgroup is not None and was_out_of_memory(self._cgroup):
            return Ended(status=status, reason=out_of_memory(self._request.limits.memory))
        return Ended(status=status)

    def connect(self, seconds: float) -> socket.socket:
        """A connection to its server; see `session.Started`."""
        port = self._request.port
        if port is None:
            raise ConnectionRefusedError
        if self._door is None or self._request.network:
            return dial(port.address, port.number, seconds)
        try:
            return self._door.dial(LOOPBACK, port.inside, seconds)
        except ConnectionRefusedError as refused:
            try:
                return self._door.dial("::1", port.inside, seconds)
            except TimeoutError:
                raise
            except OSError:  # refused there too, or this machine has no IPv6
                raise refused from None

    def strays(self) -> tuple[Listener, ...]:
        """Where a server listens that `connect` does not reach."""
        return tuple(each for each in self._listeners() if not self._reaches(each))

    def _listeners(self) -> tuple[Listener, ...]:
        return listeners(self._process.pid, own_network=self._door is not None)

    def _reaches(self, found: Listener) -> bool:
        """Whether `connect` gets there, whatever becomes of the connection: a server may speak TLS."""
        port = self._request.port
        if port is None or found.port != port.inside:
            return False
        if self._door is None:
            asked = {port.address}
        elif self._request.network:
            asked = {_EVERYWHERE}  # of an address that the outlet chooses
        else:
            asked = {LOOPBACK, "::1"}
        return found.address in asked | {"::" if ":" in each else _EVERYWHERE for each in asked}

    def is_lost(self, stray: Listener) -> bool:
        """Whether it listens at the right port, of an address that it is not asked at."""
        return self._request.port is not None and stray.port == self._request.port.inside

    def status_at(self, stray: Listener, path: str) -> int | None:
        """What it answers there."""
        address = reachable(stray.address)
        asked = self._door.dial if self._door else dial
        there = Server(url=f"http://{stray}", connect=lambda seconds: asked(address, stray.port, seconds))
        return status_of(there, path)

    def exposed(self) -> str | None:
        """That others reach a server, which listens everywhere while it is published on the loopback."""
        port = self._request.port
        if port is None or self._door or not Listener(port.address, port.number).alone:
            return None
        found = [each for each in self._listeners() if each.port == port.number and each.everywhere]
        if not found:
            return None
        lacking = lacks_outlet(root=os.geteuid() == 0)
        return (
            f"it listens on {found[0]}: who reaches this machine reaches it, too; let it listen on "
            "`MLIMAGE_HOST`"
            + (f", or {lacking}, by which the sandbox has a network of its own" if lacking else "")
        )

    def signal(self, number: int) -> None:
        """Send a signal to the program, unless it has ended."""
        with suppress(OSError, ValueError):  # closed on the other side, or on this
            self._control.write(bytes((number,)))

    def kill(self) -> None:
        """End it at once, with every process in it."""
        self._killed = True
        self.close()

    def close(self) -> None:
        """Let go of it: the first process ends everything when nobody can speak to it any more."""
        self._control.close()
        if self._door:
            self._door.close()


def _hint(failure: str, platform: Platform) -> str | None:
    if "exec format error" in failure and platform != native_platform():
        return (
            f"the image is for {platform}; an emulator lets this machine run it (Debian: apt-get install "
            "qemu-user-static), or build it for this one with `platforms:`"
        )
    if "/proc" in failure and "not permitted" in failure:
        return "in another container, /proc must not be masked; or run on the machine itself"
    if "no such file" in failure:
        return "the image lacks its entry point: build it again"
    return None
