"""Start what the container was asked for, in place of this process, so that signals reach it directly.

As process 1, which signals do not reach, it stays behind as the container's init instead.
"""

# ruff: noqa: PTH110, PTH112, PTH123 - every start of a container would wait for the import of `pathlib`
from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from mlimage.runtime.cloud import FAILURE, HYPERPARAMETERS, hyperparameters
from mlimage.runtime.cpu import read_cpu
from mlimage.runtime.dispatch import Start, dispatch, help_text, missing
from mlimage.runtime.environment import Facts, environment
from mlimage.runtime.failure import CONFIG, NOT_EXECUTABLE, NOT_FOUND, StartError
from mlimage.runtime.init import stay_behind
from mlimage.runtime.limits import affinity, thread_count
from mlimage.runtime.pins import FAST, PROFILE, Host
from mlimage.runtime.roles import FILE, Roles, read_roles

if TYPE_CHECKING:
    from collections.abc import Sequence

_GPU = ("/dev/nvidiactl", "/dev/dxg")
"""Devices through which containers reach NVIDIA's GPUs: on Linux, and in the Linux of Windows."""


def main(arguments: Sequence[str], roles_file: str = FILE) -> NoReturn:
    """Become the command that the arguments ask for; leaves with a line on stderr where that cannot be.

    Raises:
        SystemExit: 0 after the help, 126 or 127 as shells do, 78 where this machine cannot hold the profile,
            1 for a damaged image.
    """
    try:
        roles = read_roles(roles_file)
        if arguments[:1] == ["train"]:
            arguments = ["train", *_told_arguments(), *arguments[1:]]
        start = dispatch(arguments, roles, exists=os.path.exists)
        if start is None:
            sys.stdout.write(help_text(roles))
            sys.stdout.flush()
            sys.exit(0)
        env = surroundings(roles, start)
        if os.getpid() == 1:
            stay_behind()
        replace(start.command, env, roles, role=start.role)
    except StartError as error:
        sys.stderr.write(f"mlimage: {error.message}\n")
        _tell_failure(error.message)
        sys.exit(error.status)


def _told_arguments() -> tuple[str, ...]:
    """What SageMaker wants the training to be told; those of the command line come later, and so win."""
    try:
        with open(HYPERPARAMETERS, "rb") as stream:
            return hyperparameters(stream.read())
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise StartError(f"cannot read {HYPERPARAMETERS}: {error.strerror}", status=CONFIG) from error


def _tell_failure(message: str) -> None:
    with suppress(OSError), open(FAILURE, "w", encoding="utf-8") as stream:  # SageMaker alone has that folder
        stream.write(message)


def surroundings(roles: Roles, start: Start) -> dict[str, str]:
    """The environment of what starts; what is no role starts without the profile where it cannot be held.

    Raises:
        StartError: a role cannot start on this machine (78).
    """
    found = facts()
    try:
        return environment(os.environ, roles, start.role, found)
    except StartError as error:
        if start.role or os.environ.get(PROFILE) == FAST:
            raise
        env = environment({**os.environ, PROFILE: FAST}, roles, None, found)
        sys.stderr.write(f"mlimage: {error.message}; this starts with the profile `fast`\n")
        return env


def replace(command: tuple[str, ...], env: dict[str, str], roles: Roles, *, role: str | None) -> NoReturn:
    """Execute in place of this process; `PATH` of `env` is searched.

    Raises:
        StartError: the program is not there (127) or cannot be executed (126).
    """
    _restore_signals()
    try:
        os.execvpe(command[0], command, env)  # noqa: S606 - becoming the command is what an entry point is for
    except (FileNotFoundError, NotADirectoryError) as error:
        if role:
            message = f"`{command[0]}`, the command of `{role}`, is not in this image"
        elif "/" in command[0]:
            message = f"`{command[0]}` is not in this image, or what its first line asks for is not"
        else:
            message = missing(command[0], roles)
        raise StartError(message, status=NOT_FOUND) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise StartError(f"`{command[0]}` cannot be executed: {reason}", status=NOT_EXECUTABLE) from error


def facts() -> Facts:
    """What this container is."""
    import pwd

    user: str | None = None
    home: str | None = None
    try:
        entry = pwd.getpwuid(os.getuid())
        user, home = entry.pw_name, entry.pw_dir
    except KeyError:
        pass
    return Facts(
        threads=thread_count(),
        host=Host(cpu=read_cpu(), processors=affinity(), gpu=any(os.path.exists(path) for path in _GPU)),
        user=user,
        home=home,
        writable=lambda folder: os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK),
        exists=os.path.isdir,
    )


def _restore_signals() -> None:
    # Python ignores these two, and what is ignored stays so in the command that this process becomes.
    for name in ("SIGPIPE", "SIGXFSZ"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
