"""The first process of a sandbox: makes its file system, starts the program, passes signals on.

It talks with mlimage through two pipes and a socket, which need no process numbers that both sides know:

* `control` brings one line of JSON (`Settings`), then a byte for each signal. Its end: mlimage is gone.
* `status` takes one line of JSON: `{"status": N}`, or `{"failure": "why it could not start"}`.
* `door`, where the sandbox has a network of its own, brings a byte for each socket of that network that is
  wanted, its address family, and takes the socket (`host.door`).
"""

import json
import os
import resource
import select
import signal
import socket
import sys
from contextlib import suppress
from typing import NoReturn

from mlimage.host.inside import system
from mlimage.host.inside.root import enter
from mlimage.host.inside.settings import Settings

_NOT_FOUND = 127
_NOT_EXECUTABLE = 126


def main(control: int, status: int, door: int | None = None) -> NoReturn:
    """Run the sandbox that `control` describes; leaves with the program's exit status."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTTOU):
        signal.signal(number, signal.SIG_IGN)
    for descriptor in (control, status, door):
        if descriptor is not None:
            os.set_inheritable(descriptor, False)
    try:
        settings = Settings.from_json(_line(control))
        _limit(settings)
        if not settings.network:
            system.bring_up_loopback()
        enter(settings)
    except OSError as error:
        _tell(status, {"failure": _words(error)})
        os._exit(1)
    child = _start(settings, status)
    _supervise(child, control, status, None if door is None else socket.socket(fileno=door))


def _limit(settings: Settings) -> None:
    if settings.cgroup is not None:
        with open(f"{settings.cgroup}/cgroup.procs", "w", encoding="ascii") as stream:  # noqa: PTH123 - a kernel's file
            stream.write("0")
    if settings.processors is not None:
        available = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, available[: settings.processors])


def _start(settings: Settings, status: int) -> int:
    # A signal that comes before the child has its defaults back waits: it would be ignored, and lost.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    child = os.fork()
    if child:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        return child
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if settings.foreground:
            os.setpgid(0, 0)
            with suppress(OSError):
                os.tcsetpgrp(0, os.getpid())  # SIGTTOU is still ignored, or this would stop us
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        os.umask(0o022)
        if settings.data_limit is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (settings.data_limit, settings.data_limit))
        system.become(settings.uid, settings.gid, mapped=settings.mapped)
        os.chdir(settings.directory)
        os.execve(settings.command[0], settings.command, settings.env)  # noqa: S606 - becoming the program is the point
    except FileNotFoundError as error:
        _tell(status, {"failure": _words(error)})
        os._exit(_NOT_FOUND)
    # Whatever it is must be told, and nothing of the parent's may run in this process.
    except BaseException as error:  # noqa: BLE001
        _tell(status, {"failure": _words(error)})
        os._exit(_NOT_EXECUTABLE)


def _supervise(child: int, control: int, status: int, door: socket.socket | None) -> NoReturn:
    """Be the init of this process namespace until the program ends."""
    wake, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    listened: list[int | socket.socket] = [control, wake, *([door] if door else [])]
    while True:
        ended = _reap(child)
        if ended is not None:
            _tell(status, {"status": ended})
            # Ends every other process of the namespace with this one.
            os._exit(ended)
        ready, _, _ = select.select(listened, [], [])
        if wake in ready:
            os.read(wake, 512)
        if door in ready and not _hand_out(door):
            listened.remove(door)
        if control in ready:
            numbers = os.read(control, 16)
            if not numbers:
                os._exit(128 + signal.SIGKILL)
            for number in numbers:
                with suppress(ProcessLookupError):
                    os.kill(child, number)


def _hand_out(door: socket.socket) -> bool:
    """Give a socket of this network; false where nobody asks any more."""
    try:
        family = door.recv(1)
        if not family:
            return False
        try:
            with socket.socket(family[0], socket.SOCK_STREAM) as made:
                socket.send_fds(door, [family], [made.fileno()])
        except OSError:  # the kernel has no such sockets
            door.send(family)
    except OSError:
        return False
    return True


def _reap(child: int) -> int | None:
    """Take note of every process that ended; the program's exit status, as shells have it, if it did."""
    found: int | None = None
    while True:
        try:
            ended, code = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
        except ChildProcessError:
            return found
        if ended == 0:
            return found
        if os.WIFSTOPPED(code):
            # Ctrl-Z: nobody is there to resume it later, and stopped it would not hear Ctrl-C either.
            if ended == child and os.WSTOPSIG(code) == signal.SIGTSTP:
                os.kill(child, signal.SIGCONT)
            continue
        if ended == child:
            code = os.waitstatus_to_exitcode(code)
            found = code if code >= 0 else 128 - code


def _line(descriptor: int) -> bytes:
    """One line, and no byte more: what follows are signals."""
    text = bytearray()
    while not text.endswith(b"\n"):
        piece = os.read(descriptor, 1)
        if not piece:
            sys.exit(1)
        text += piece
    return bytes(text)


def _tell(status: int, message: dict[str, object]) -> None:
    with suppress(OSError):
        os.write(status, json.dumps(message).encode() + b"\n")


def _words(error: BaseException) -> str:
    if not isinstance(error, OSError):
        return f"{type(error).__name__}: {error}"
    place = f"{error.filename}: " if error.filename else ""
    return place + (error.strerror or str(error)).lower()
