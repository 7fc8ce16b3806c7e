"""Run a sealed image in Docker: create, attach, start, wait, remove."""

import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from signal import SIGKILL
from typing import Any, BinaryIO, Final

from mlimage.daemon.connect import Daemon, translated
from mlimage.errors import RunError
from mlimage.host.abandoned import CLIENT_LABEL, remove
from mlimage.host.contract import User
from mlimage.host.ports import Listener, parse_listeners
from mlimage.host.reach import dial, reachable
from mlimage.host.request import Port, RunRequest
from mlimage.host.session import Ended, out_of_memory, shown_size
from mlimage.host.terminal import raw_terminal, terminal_size
from mlimage.signals import deferred

RUN_LABEL: Final = "dev.mlimage.run"
"""Label of the containers that `mlimage run` makes: `docker ps -a --filter label=dev.mlimage.run`."""
_TMP: Final = "rw,exec,nosuid,nodev,mode=1777"
"""`exec`, unlike Docker's default: numba, torch and triton load libraries that they compile there."""
_RESIZE_PAUSE: Final = 0.5
_LISTENERS: Final = """
import os
for table in filter(os.path.exists, ("/proc/net/tcp", "/proc/net/tcp6")):
    print(open(table).read())
"""
_STATUS: Final = """
import http.client, sys
connection = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]), timeout=1)
connection.request("GET", sys.argv[3])
print(connection.getresponse().status)
"""


@dataclass(frozen=True, slots=True)
class Output:
    """Where a container's two streams go."""

    stdout: BinaryIO
    stderr: BinaryIO


def creation(
    request: RunRequest,
    *,
    image: str,
    rootless: bool,
    devices: Sequence[Mapping[str, Any]] = (),
    client: str | None = None,
) -> dict[str, Any]:
    """The arguments of the SDK's `containers.create`: everything that Docker is told. Pure.

    Args:
        request: what to run.
        image: id of the image in the daemon.
        rootless: the daemon's root is the person, so that files belong to them only when it is used.
        devices: what asks for GPUs.
        client: what this run is called among those that wait for a container.
    """
    limits = request.limits
    user = User(0, 0) if rootless and request.as_person else request.user
    settings: dict[str, Any] = {
        "image": image,
        "command": list(request.arguments),
        "environment": dict(request.env),
        "init": True,
        "labels": {RUN_LABEL: request.image.name},
        "mounts": [
            {
                "Type": "bind",
                "Source": str(mount.source),
                "Target": mount.target,
                "ReadOnly": not mount.writable,
            }
            for mount in request.mounts
        ],
        "ports": _ports(request.port),
        "read_only": request.read_only,
        "security_opt": ["no-new-privileges"],
        "shm_size": limits.shm,
        "stdin_open": request.interactive,
        "tmpfs": {"/tmp": _TMP},  # noqa: S108 - the container's own
        "tty": request.tty,
        "user": str(user),
    }
    if client is not None:
        settings["labels"][CLIENT_LABEL] = client
    if devices:
        settings["device_requests"] = [dict(each) for each in devices]
    if not request.network and request.port is None:
        # A server is reached by the port that Docker publishes, for which it needs a network.
        settings["network_mode"] = "none"
    if limits.memory is not None:
        # Without the second Docker allows the same again in swap.
        settings |= {"mem_limit": limits.memory, "memswap_limit": limits.memory}
    if limits.cpus is not None:
        settings["nano_cpus"] = round(limits.cpus * 1e9)
    return settings


def _ports(port: Port | None) -> dict[str, tuple[str, int]]:
    return {f"{port.inside}/tcp": (port.address, port.number)} if port else {}


class Container:
    """A container that runs; see `session.Started`."""

    def __init__(self, container: Any, stream: Any, request: RunRequest, output: Output) -> None:
        self._container = container
        self._stream = stream
        self._request = request
        self._output = output

    def wait(self) -> Ended:
        """Show its output until it ends; raises `RunError` when the daemon goes away."""
        from docker.utils import socket as streams

        frames: Any = streams.frames_iter  # its types are missing
        for number, chunk in frames(self._stream, self._request.tty):
            target = self._output.stderr if number == streams.STDERR else self._output.stdout
            target.write(chunk)
            target.flush()
        with translated("lost the container"):
            status = int(self._container.wait()["StatusCode"])
            self._container.reload()
        return Ended(status=status, reason=self._reason(self._container.attrs["State"], status))

    def _reason(self, state: Mapping[str, Any], status: int) -> str | None:
        limit = self._request.limits.memory
        if state.get("OOMKilled"):
            return out_of_memory(limit)
        if status == 128 + SIGKILL and limit is not None:
            # cgroup 1 does not tell Docker when it was not the first process that was killed.
            return f"killed (status {status}); its memory limit is {shown_size(limit)}"
        return None

    def connect(self, seconds: float) -> socket.socket:
        """A connection to the published port; see `session.Started`."""
        if self._request.port is None:
            raise ConnectionRefusedError
        return dial(self._request.port.address, self._request.port.number, seconds)

    def exposed(self) -> None:
        """Docker publishes where it is told to, and nowhere else."""

    def strays(self) -> tuple[Listener, ...]:
        """Where a server listens without being reached: at other ports, and at the container's loopback."""
        port = self._request.port
        found = set(parse_listeners(self._python(_LISTENERS)).values())
        return tuple(sorted(each for each in found if port and (each.port != port.inside or each.alone)))

    def is_lost(self, stray: Listener) -> bool:
        """Whether it listens at the right port, of the container's loopback alone."""
        return self._request.port is not None and stray.port == self._request.port.inside

    def status_at(self, stray: Listener, path: str) -> int | None:
        """What it answers there, asked in the container: no other port of it is published."""
        said = self._python(_STATUS, reachable(stray.address), str(stray.port), path).strip()
        return int(said) if said.isdecimal() else None

    def _python(self, script: str, *arguments: str) -> str:
        """What a script says that the image's own python runs in the container; nothing where it cannot."""
        python = self._request.contract.entrypoint[:1]
        if not python:
            return ""
        with suppress(RunError), translated("cannot look into the container"):
            done = self._container.exec_run([*python, "-I", "-S", "-c", script, *arguments], stderr=False)
            return str(done.output.decode(errors="replace")) if done.exit_code == 0 else ""
        return ""

    def signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        from docker.errors import APIError, NotFound

        try:
            with translated("cannot signal the container"):
                self._container.kill(signal=number)
        except RunError as error:
            ended = isinstance(error.__cause__, NotFound) or (
                isinstance(error.__cause__, APIError) and error.__cause__.status_code == 409
            )
            if not ended:
                raise

    def kill(self) -> None:
        """End it at once."""
        self.signal(SIGKILL)


@contextmanager
def started(
    request: RunRequest,
    daemon: Daemon,
    image: str,
    output: Output,
    *,
    devices: Sequence[Mapping[str, Any]] = (),
    client: str | None = None,
) -> Iterator[Container]:
    """A started container, removed when the block ends, however it ends.

    Raises:
        RunError: Docker refuses it.
    """
    rootless = daemon.facts.rootless
    settings = creation(request, image=image, rootless=rootless, devices=devices, client=client)
    with ExitStack() as stack:
        with deferred(), translated("cannot create the container"):
            container = daemon.client.containers.create(**settings)
            stack.push(lambda kind, _error, _trace: _remove(container, running=kind is not None))
        # Attached before the start, so that no line is lost.
        with translated("cannot attach to the container"):
            stream = container.attach_socket(
                params={"stdin": int(request.interactive), "stdout": 1, "stderr": 1, "stream": 1}
            )
        stack.callback(stream.close)
        with suppress(AttributeError, OSError):
            _socket(stream).settimeout(None)
        _start(container, request)
        if request.tty:
            stack.enter_context(raw_terminal())
            _background(lambda: _follow_size(container))
        if request.interactive:
            _background(lambda: _feed(stream))
        yield Container(container, stream, request, output)


def _remove(container: Any, *, running: bool) -> None:
    with deferred(), suppress(RunError):
        remove(container, running=running)


def _start(container: Any, request: RunRequest) -> None:
    try:
        with translated("cannot start the container"):
            container.start()
    except RunError as error:
        text = error.message.lower()
        if "already allocated" in text or "already in use" in text:
            number = request.port.number if request.port else 0
            raise RunError(
                f"port {number} is taken", hint="choose another with --port NUMBER, or any with --port 0"
            ) from error
        if "mounts denied" in text or "not shared" in text:
            raise RunError(
                error.message, hint="share the folder in Docker Desktop's settings, Resources, File sharing"
            ) from error
        raise


def _background(work: Callable[[], None]) -> None:
    threading.Thread(target=work, daemon=True).start()


def _follow_size(container: Any) -> None:
    known: tuple[int, int] | None = None
    while True:
        try:
            size = terminal_size()
            if size != known:
                with translated("cannot resize the terminal"):
                    container.resize(height=size[0], width=size[1])
                known = size
        except (RunError, OSError):
            return  # it has ended
        time.sleep(_RESIZE_PAUSE)


def _feed(stream: Any) -> None:
    """Hand mlimage's standard input to the container until one of them ends."""
    connection = _socket(stream)
    with suppress(OSError):
        while chunk := os.read(sys.stdin.fileno(), 65536):
            connection.sendall(chunk)
        connection.shutdown(socket.SHUT_WR)


def _socket(stream: Any) -> Any:
    return getattr(stream, "_sock", stream)
