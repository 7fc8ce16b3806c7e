"""Process 1 of a container that was started without an init: passes signals on and reaps, as tini does.

The kernel keeps from process 1 every signal that it does not handle, so `docker stop` would not stop a
training script. As its child, the script gets signals as everywhere else.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress

_OWN = {
    *(
        signal.SIGABRT,
        signal.SIGBUS,
        signal.SIGFPE,
        signal.SIGILL,
        signal.SIGSEGV,
        signal.SIGSYS,
        signal.SIGTRAP,
    ),
    *(signal.SIGTTIN, signal.SIGTTOU),
}
"""Signals that are about the process that gets them."""


def stay_behind() -> None:
    """Return in a new process; this one passes signals on to that one, and leaves with its exit status."""
    passed_on = signal.valid_signals() - _OWN
    before = signal.pthread_sigmask(signal.SIG_BLOCK, passed_on)
    child = os.fork()
    if child:
        while True:
            number = signal.sigwait(passed_on)
            if number != signal.SIGCHLD:
                with suppress(ProcessLookupError):
                    os.kill(child, number)
            elif (status := _reap(child)) is not None:
                os._exit(status)
    _take_terminal()
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _reap(child: int) -> int | None:
    """Take note of all that ended; the child's exit status, as shells have it, if it did."""
    found = None
    with suppress(ChildProcessError):
        while True:
            ended, code = os.waitpid(-1, os.WNOHANG)
            if not ended:
                break
            if ended == child:
                found = os.WEXITSTATUS(code) if os.WIFEXITED(code) else 128 + os.WTERMSIG(code)
    return found


def _take_terminal() -> None:
    """Be the foreground of the terminal, if there is one, so that Ctrl-C comes once, not passed on too."""
    os.setpgid(0, 0)
    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # else the next line would stop us
    with suppress(OSError):
        os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, before)
