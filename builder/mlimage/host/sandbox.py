"""Run a sealed image without Docker: util-linux's `unshare` over the unpacked image. Linux only.

It is `unshare` with arguments, not a container runtime: `NOT_ISOLATED` is what it leaves as it is.
"""

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
from mlimage.host.boxed import Sandbox
from mlimage.host.cgroup import limited, parent_for
from mlimage.host.door import Door
from mlimage.host.inside.settings import Bind, Settings
from mlimage.host.outlet import Outlet, find_outlet, opened, resolver
from mlimage.host.request import RunRequest
from mlimage.platforms import native_platform
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
    """What connects the sandbox's own network, if it gets such a one: a server does, where it can be had.

    Neither program leads from an IPv6 address to a server that listens at IPv4 ones.
    """
    if request.port is None or not request.network or ":" in request.port.address:
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
