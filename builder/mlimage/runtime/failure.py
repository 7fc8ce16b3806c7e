"""The one error of the runtime: a line for people and the exit status that a shell would give."""

from __future__ import annotations

CONFIG = 78
"""EX_CONFIG of sysexits.h: this machine cannot hold what the image promises."""
NOT_EXECUTABLE = 126
NOT_FOUND = 127


class StartError(Exception):
    """The container cannot start what it was asked for.

    Args:
        message: one line, without a final full stop.
        status: exit status: 126 cannot be executed, 127 not found, 78 not on this machine, else 1.
    """

    def __init__(self, message: str, *, status: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
