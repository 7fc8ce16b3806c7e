"""Run a sealed image without Docker: util-linux's `unshare` over the unpacked image. Linux only.

It is `unshare` with arguments, not a container runtime: `NOT_ISOLATED` is what it leaves as it is.
"""

import json
import math
import os
import signal
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
from mlimage.host.inside.settings import Bind, Settings
from mlimage.host.request import RunRequest
from mlimage.host.session import Ended, out_of_memory
from mlimage.platforms import Platform, native_platform
from mlimage.process import Command, Runner, run, spawn
from mlimage.signals import deferred

NOT_ISOLATED: Final = "the network, the host's name and the kernel's calls are this machine's own"
_CAP_SYS_ADMIN: Final = 21
_FROM_HOST: Final = ("/etc/resolv.conf", "/etc/hosts")
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


def command(machine: Machine, control: int, status: int, *, network: bool = True) -> Command:
    """The command that makes the namespaces; one more takes the network away. Pure."""
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
            *(() if network else ("--net",)),
            "--fork",
            "--kill-child",
            "--",
            machine.python,
            "-I",
            "-S",
            "-B",
            str(Path(inside.__file__).parent),
            str(control),
            str(status),
        ),
        env={"PATH": os.environ.get("PATH", os.defpath)},
    )


def settings(
    request: RunRequest, machine: Machine, *, root: Path, scratch: Path | None, cgroup: Path | None
) -> Settings:
    """What the first process in the namespaces is told.

    Without a control group, memory is limited for each process on its own, and processors by number.
    """
    contract, limits = request.contract, request.limits
    env = dict(contract.env)
    if request.port is not None:
        # The network is the machine's: the server itself must listen where `--port` says, and nowhere else.
        env |= {"MLIMAGE_HOST": request.port.address, "MLIMAGE_PORT": str(request.port.number)}
    if request.tty:
        env["TERM"] = os.environ.get("TERM", "xterm")
    binds = [
        *(Bind(source=path, target=path, writable=False) for path in _FROM_HOST if Path(path).is_file()),
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
        network=request.network,
    )


def caveats(request: RunRequest, cgroup: Path | None) -> str:
    """What this sandbox does not do, in one line for the user. Pure."""
    said = [NOT_ISOLATED if request.network else NOT_ISOLATED.removeprefix("the network, ")]
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
        cgroup: Path | None,
        request: RunRequest,
    ) -> None:
        self._process = process
        # As a file, for it may be closed by two threads at once, and a number would then be another's.
        self._control = open(control, "wb", buffering=0)  # noqa: SIM115 - `close` does it
        self._status = status
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


@contextmanager
def started(
    request: RunRequest,
    root: Path,
    *,
    say: Callable[[str], None],
    machine: Machine | None = None,
    output: int | None = None,
) -> Iterator[Sandbox]:
    """A started sandbox; when the block ends nothing of it is left.

    Args:
        request: what to run.
        root: the unpacked image.
        say: shows the user a line.
        machine: where it runs; looked up when None.
        output: the descriptor that gets its standard output; mlimage's own when None.

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
        say(caveats(request, cgroup))
        told = settings(request, machine, root=root, scratch=scratch, cgroup=cgroup)
        theirs_control, control = os.pipe()
        status, theirs_status = os.pipe()
        try:
            process = spawn(
                command(machine, theirs_control, theirs_status, network=request.network),
                pass_fds=(theirs_control, theirs_status),
                stdin=request.interactive,
                stdout=output,
                new_session=not request.tty,
            )
        except FileNotFoundError as error:
            for descriptor in (control, status):
                os.close(descriptor)
            raise RunError(
                "`unshare` is not on this machine", hint="install util-linux, or use --runtime docker"
            ) from error
        finally:
            os.close(theirs_control)
            os.close(theirs_status)
        sandbox = Sandbox(process, control, status, cgroup, request)
        try:
            with suppress(BrokenPipeError):  # it has failed already, which `wait` tells
                _write_all(control, told.to_json())
            yield sandbox
        finally:
            with deferred():
                sandbox.close()
                _end(process)
                if request.tty:
                    _take_terminal_back()


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
