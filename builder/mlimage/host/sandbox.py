"""Run a sealed image without Docker: util-linux's `unshare` over the unpacked image. Linux only.

It is `unshare` with arguments, not a container runtime: `NOT_ISOLATED` is what it leaves as it is.
"""

import json
import math
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlimage.atomic import temporary_folder
from mlimage.errors import RunError
from mlimage.host import inside
from mlimage.host.cgroup import limited, parent_for, was_out_of_memory
from mlimage.host.door import Door
from mlimage.host.health import status_of
from mlimage.host.inside.settings import Bind, Settings
from mlimage.host.outlet import Outlet, find_outlet, lacks_outlet, opened, resolver
from mlimage.host.ports import Listener, listeners
from mlimage.host.reach import Server, dial, reachable
from mlimage.host.request import LOOPBACK, RunRequest
from mlimage.host.session import Ended, out_of_memory
from mlimage.platforms import Platform, native_platform
from mlimage.process import Command, Runner, run, spawn
from mlimage.signals import deferred

NOT_ISOLATED: Final = "the network, the host's name and the kernel's calls are this machine's own"
_CAP_SYS_ADMIN: Final = 21
_RESOLVER: Final = "/etc/resolv.conf"
_FROM_HOST: Final = (_RESOLVER, "/etc/hosts")
"""Names must be resolved as this machine does, for the network is its own."""
_LEAVE: Final = 5.0
"""Seconds in which a sandbox that was told to end has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What decides how a sandbox is made on this machine.

    Attributes:
        privileged: this process may mount; else a user namespace lets it.
        own_cgroup: content of `/proc/self/cgroup`.
        python: the interpreter that runs `inside`.
    """

    privileged: bool
    own_cgroup: str
    python: str


def this_machine() -> Machine:
    """Look at the machine and the rights of this process."""
    status = Path("/proc/self/status").read_text()
    effective = next((line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")), "0")
    return Machine(
        privileged=os.geteuid() == 0 and bool(int(effective, 16) >> _CAP_SYS_ADMIN & 1),
        own_cgroup=Path("/proc/self/cgroup").read_text(),
        python=sys.executable,
    )


def command(machine: Machine, control: int, status: int, door: int | None = None) -> Command:
    """The command that makes the namespaces, one of them for the network where that has a door. Pure."""
    user = () if machine.privileged else ("--user", "--map-root-user")
    # The inner process takes orders from `control`; --kill-child is for the end of `unshare` itself.
    return Command(
        argv=(
            "unshare",
            *user,
            "--mount",
            "--pid",
            "--ipc",
            "--uts",
            *(() if door is None else ("--net",)),
            "--fork",
            "--kill-child",
            "--",
            machine.python,
            "-I",
            "-S",
            "-B",
            str(Path(inside.__file__).parent),
            *(str(each) for each in (control, status, door) if each is not None),
        ),
        env={"PATH": os.environ.get("PATH", os.defpath)},
    )


def settings(
    request: RunRequest,
    machine: Machine,
    *,
    root: Path,
    scratch: Path | None,
    cgroup: Path | None,
    nameservers: Path | None = None,
) -> Settings:
    """What the first process in the namespaces is told.

    Without a control group, memory is limited for each process on its own, and processors by number.

    Args:
        request: what will run.
        machine: where.
        root: the unpacked image.
        scratch: an empty folder for what is written over the image's files.
        cgroup: the control group.
        nameservers: the `resolv.conf` of a network of its own that has an outlet; None where it has none.
    """
    contract, limits = request.contract, request.limits
    env = dict(contract.env)
    if request.port is not None and request.network and nameservers is None:
        # The network is the machine's: the server itself must listen where `--port` says, and nowhere else.
        number = str(request.port.number)
        env |= {"MLIMAGE_HOST": request.port.address, "MLIMAGE_PORT": number, "PORT": number}
    if request.tty:
        env["TERM"] = os.environ.get("TERM", "xterm")
    binds = [
        *(Bind(source=source, target=path, writable=False) for path, source in _from_host(nameservers)),
        *(Bind(source=str(m.source), target=m.target, writable=m.writable) for m in request.mounts),
    ]
    return Settings(
        root=str(root),
        scratch=None if scratch is None else str(scratch),
        binds=tuple(binds),
        shm=limits.shm,
        command=(*contract.entrypoint, *(request.arguments or contract.command)),
        env=env | dict(request.env),
        directory=contract.working_directory,
        uid=request.user.uid,
        gid=request.user.gid,
        mapped=not machine.privileged,
        cgroup=None if cgroup is None else str(cgroup),
        data_limit=None if cgroup else limits.memory,
        processors=None if cgroup or limits.cpus is None else max(1, math.ceil(limits.cpus)),
        foreground=request.tty,
        network=request.network and nameservers is None,
    )


def _from_host(nameservers: Path | None) -> list[tuple[str, str]]:
    return [
        (path, str(nameservers) if nameservers and path == _RESOLVER else path)
        for path in _FROM_HOST
        if Path(path).is_file()
    ]


def outlet_for(request: RunRequest) -> Outlet | None:
    """What connects the sandbox's own network, if it gets such a one: a server does, where it can be had."""
    if request.port is None or not request.network:
        return None
    return find_outlet(root=os.geteuid() == 0)


def caveats(request: RunRequest, cgroup: Path | None, outlet: Outlet | None = None) -> str:
    """What this sandbox does not do, in one line for the user. Pure."""
    shared = request.network and outlet is None
    said = [NOT_ISOLATED if shared else NOT_ISOLATED.removeprefix("the network, ")]
    if request.tty:
        said.append("so is the terminal")
    if cgroup is None and request.limits.memory is not None:
        said.append("memory is limited for each process on its own, for no control group can be made")
    if cgroup is None and request.limits.cpus is not None:
        said.append("--cpus is rounded up to whole processors")
    if request.image.platform != native_platform():
        said.append(
            f"what is for {request.image.platform} needs emulation, which is slower, and numbers may differ"
        )
    return "sandbox: " + "; ".join(said)


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
        except ConnectionRefusedError:
            return self._door.dial("::1", port.inside, seconds)

    def strays(self) -> tuple[Listener, ...]:
        """Where a server listens that `connect` does not reach."""
        return listeners(self._process.pid, own_network=self._door is not None)

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
        found = [each for each in self.strays() if each.port == port.number and each.everywhere]
        if not found:
            return None
        lacking = lacks_outlet(root=os.geteuid() == 0)
        return (
            f"it listens on {found[0]}: who reaches this machine reaches it, too; let it listen on "
            f"`MLIMAGE_HOST`, or {lacking}, by which the sandbox has a network of its own"
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


@contextmanager
def started(
    request: RunRequest,
    root: Path,
    *,
    say: Callable[[str], None],
    machine: Machine | None = None,
    output: int | None = None,
    outlet: Outlet | None = None,
) -> Iterator[Sandbox]:
    """A started sandbox; when the block ends nothing of it is left.

    Args:
        request: what to run.
        root: the unpacked image.
        say: shows the user a line.
        machine: where it runs; looked up when None.
        output: the descriptor that gets its standard output; mlimage's own when None.
        outlet: what connects a network of its own; None where it shares this machine's, or needs none.

    Raises:
        RunError: this machine does not allow it.
    """
    machine = machine or this_machine()
    with ExitStack() as stack:
        parent = parent_for(request.limits, machine.own_cgroup)
        cgroup = _entered_group(stack, request, parent)
        scratch = None
        if not request.read_only:
            scratch = stack.enter_context(temporary_folder("sandbox"))
        folder = stack.enter_context(temporary_folder("network")) if outlet else None
        nameservers = _resolver(outlet, folder) if outlet and folder else None
        say(caveats(request, cgroup, outlet))
        told = settings(request, machine, root=root, scratch=scratch, cgroup=cgroup, nameservers=nameservers)
        theirs_control, control = os.pipe()
        status, theirs_status = os.pipe()
        door, theirs_door = _door(shared=told.network)
        theirs = (theirs_control, theirs_status, *([theirs_door.fileno()] if theirs_door else []))
        try:
            process = spawn(
                command(machine, *theirs),
                pass_fds=theirs,
                stdin=request.interactive,
                stdout=output,
                new_session=not request.tty,
            )
        except FileNotFoundError as error:
            for descriptor in (control, status):
                os.close(descriptor)
            if door:
                door.close()
            raise RunError(
                "`unshare` is not on this machine", hint="install util-linux, or use --runtime docker"
            ) from error
        finally:
            os.close(theirs_control)
            os.close(theirs_status)
            if theirs_door:
                theirs_door.close()
        sandbox = Sandbox(process, control, status, door, cgroup, request)
        try:
            if outlet and folder and request.port:
                stack.enter_context(opened(outlet, request.port, process, folder))
            with suppress(BrokenPipeError):  # it has failed already, which `wait` tells
                _write_all(control, told.to_json())
            yield sandbox
        finally:
            with deferred():
                sandbox.close()
                _end(process)
                if request.tty:
                    _take_terminal_back()


def _resolver(outlet: Outlet, folder: Path) -> Path:
    file = folder / "resolv.conf"
    file.write_text(resolver(outlet, Path(_RESOLVER).read_text() if Path(_RESOLVER).is_file() else ""))
    file.chmod(0o644)  # nothing in it is secret, and another user reads it
    return file


def _door(*, shared: bool) -> tuple[Door, socket.socket] | tuple[None, None]:
    if shared:
        return None, None
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return Door(ours), theirs


def _entered_group(stack: ExitStack, request: RunRequest, parent: Path | None) -> Path | None:
    if parent is None:
        return None
    try:
        return stack.enter_context(limited(request.limits, parent))
    except OSError as error:
        raise RunError(
            f"cannot make a control group in `{parent}`: {error.strerror or error}",
            hint="run without --memory and --cpus, or with --runtime docker",
        ) from error


def explain_refusal(machine: Machine, runner: Runner = run) -> str | None:
    """Why this user cannot make a sandbox here, None if they can. Tries it with `true`."""
    given = command(machine, 0, 0)
    trial = Command(argv=(*given.argv[: given.argv.index("--") + 1], "true"), env=given.env)
    try:
        done = runner(trial)
    except FileNotFoundError:
        return "`unshare` (util-linux) is not on this machine"
    if done.status == 0:
        return None
    return (
        done.errors.strip().splitlines()[-1]
        if done.errors.strip()
        else f"`unshare` gave status {done.status}"
    )


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


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def _end(process: "subprocess.Popen[bytes]") -> None:
    try:
        process.wait(_LEAVE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _take_terminal_back() -> None:
    """The program was in the foreground; what writes there from the background is stopped by the kernel."""
    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    try:
        with suppress(OSError):
            os.tcsetpgrp(sys.stdin.fileno(), os.getpgrp())
    finally:
        signal.signal(signal.SIGTTOU, before)
