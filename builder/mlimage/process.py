"""The only module that starts a process. A command is a value before it runs."""

import errno
import os
import select
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock, get_ident
from typing import Final, NoReturn

from mlimage.progress import StoppedError
from mlimage.redact import redact_word

_PIECE: Final = 1 << 16
_TURN: Final = 500
"""Milliseconds after which what came meanwhile is looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What will be executed: nothing is taken from the environment unless `inherit` says so.

    Attributes:
        argv: program and arguments.
        env: variables that are set.
        inherit: whether `env` adds to mlimage's own environment (else it is all there is).
        cwd: working directory.
        stdin: bytes for its standard input; empty when None.
        alone: whether it has no terminal, and what it starts ends with it when mlimage is interrupted.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    inherit: bool = False
    cwd: Path | None = None
    stdin: bytes | None = None
    alone: bool = False

    def __str__(self) -> str:
        """As a shell takes it, for people; what it shows of URLs is without credentials."""
        return shlex.join(redact_word(word) for word in self.argv)

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment that the process gets."""
        return {**(os.environ if self.inherit else {}), **self.env}


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """How a command ended: exit status (negative: the signal's number) and what it wrote."""

    command: Command
    status: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """Standard output as text."""
        return self.stdout.decode(errors="replace")

    @property
    def errors(self) -> str:
        """Standard error as text."""
        return self.stderr.decode(errors="replace")


Runner = Callable[[Command], Completed]
"""The small protocol that code which starts processes asks for, so that tests can record instead."""


def run(
    command: Command, *, started: Callable[[Callable[[], None]], object] = lambda _kill: None
) -> Completed:
    """Run to the end and keep its output; a status other than 0 is the caller's to judge.

    Args:
        command: what to run. It is killed when the caller is interrupted.
        started: gets what kills it.

    Raises:
        FileNotFoundError: the program is not on this machine.
    """
    with subprocess.Popen(
        command.argv,
        env=command.environment,
        cwd=command.cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=command.alone,
    ) as process:

        def kill() -> None:
            if command.alone:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()

        try:
            started(kill)
            stdout, stderr = process.communicate(command.stdin or b"")
        except BaseException:
            kill()
            process.wait()
            raise
    return Completed(command=command, status=process.returncode, stdout=stdout, stderr=stderr)


class Processes:
    """Runs commands from any threads, and kills all that run when their results are not wanted any more."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kills: dict[int, Callable[[], None]] = {}
        self._ended = False

    def run(self, command: Command) -> Completed:
        """As `run`; once they are ended it raises `StoppedError`."""
        own = get_ident()
        if self._ended:
            raise StoppedError

        def started(kill: Callable[[], None]) -> None:
            with self._lock:
                if self._ended:
                    raise StoppedError
                self._kills[own] = kill

        try:
            return run(command, started=started)
        finally:
            with self._lock:
                self._kills.pop(own, None)

    def end(self) -> None:
        """Kill those that run, and start no more."""
        with self._lock:
            self._ended = True
            for kill in self._kills.values():
                kill()


def refuse_full(done: Completed, place: Path) -> Completed:
    """What a command gave, which wrote to a place; its word of a full disk becomes the error that it met.

    Raises:
        OSError: the disk of the place is full, or a quota is used up.
    """
    if done.status != 0:
        for number in (errno.ENOSPC, errno.EDQUOT):
            if os.strerror(number).encode() in done.stdout + done.stderr:
                raise OSError(number, os.strerror(number), str(place))
    return done


def spawn(
    command: Command,
    *,
    pass_fds: tuple[int, ...] = (),
    stdin: bool | int = False,
    stdout: int | None = None,
    stderr: int | None = None,
    new_session: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a process that goes on beside mlimage, with mlimage's own standard output and error.

    Args:
        command: what to start; its `stdin` must be None.
        pass_fds: descriptors that it gets under the same numbers.
        stdin: the descriptor that it reads, or whether it reads mlimage's standard input; else nothing.
        stdout: the descriptor that it writes to in place of mlimage's standard output.
        stderr: the same for its standard error.
        new_session: whether it is out of reach of the terminal's Ctrl-C.

    Raises:
        FileNotFoundError: the program is not on this machine.
    """
    return subprocess.Popen(
        command.argv,
        env=command.environment,
        cwd=command.cwd,
        stdin=None if stdin is True else subprocess.DEVNULL if stdin is False else stdin,
        stdout=stdout,
        stderr=stderr,
        pass_fds=pass_fds,
        start_new_session=new_session,
    )


def stream(command: Command, told: Callable[[bytes], object], *, grace: float = 10.0) -> Completed:
    """Run to the end, and hand on what it writes to standard error while it runs.

    When the caller is interrupted, or `told` raises, the process gets SIGINT as a terminal would send it, and
    after `grace` seconds SIGKILL. It is out of reach of the terminal's own Ctrl-C, so it hears of it once.

    Args:
        command: what to run; its `stdin` must be None.
        told: gets the pieces of standard error as they come; `Completed.stderr` stays empty.
        grace: seconds that an interrupted process has to end.

    Raises:
        FileNotFoundError: the program is not on this machine.
    """
    process = subprocess.Popen(
        command.argv,
        env=command.environment,
        cwd=command.cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        bufsize=0,
    )
    with process:
        try:
            if process.stderr is not None:
                for piece in _pieces(process.stderr.fileno()):
                    told(piece)
            process.wait()
        except BaseException:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(grace)
            except subprocess.TimeoutExpired:
                pass
            finally:  # also when the user interrupts once more
                process.kill()
                process.wait()
            raise
    return Completed(command=command, status=process.returncode, stdout=b"", stderr=b"")


def _pieces(descriptor: int) -> Iterator[bytes]:
    """What comes, until its end, awaited in short turns.

    A signal that arrives just before a blocking call does not end it, and is heard only after it.
    """
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    while True:
        if waiting.poll(_TURN):
            if not (piece := os.read(descriptor, _PIECE)):
                return
            yield piece


def restart(*options: str) -> NoReturn:
    """Begin mlimage anew in this process, with these options of Python's before those that it has."""
    os.execv(sys.executable, (sys.executable, *options, *sys.orig_argv[1:]))  # noqa: S606 - there is no shell to want
