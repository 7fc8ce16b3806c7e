"""The python that runs mlimage, asked as the python of a base is."""

import sys
from collections.abc import Mapping
from pathlib import Path

from mlimage.content.interpreter import Interpreter
from mlimage.errors import UsageError
from mlimage.platforms import PLATFORMS, native_platform
from mlimage.process import Command


class OwnPython(Interpreter):
    """Starts `sys.executable`, with nothing of this machine's configuration either."""

    __slots__ = ()

    def command(
        self, *args: str, env: Mapping[str, str] | None = None, stdin: bytes | None = None
    ) -> Command:
        """The command that runs python with these arguments, without site folders."""
        return Command(
            argv=(sys.executable, "-S", "-s", "-B", *args),
            env={
                "PYTHONSAFEPATH": "1",
                "PYTHONHASHSEED": "0",
                "PYTHONUTF8": "1",
                "LC_ALL": "C.UTF-8",
                **(env or {}),
            },
            stdin=stdin,
        )


def own_python() -> OwnPython:
    """This process's python.

    Raises:
        UsageError: it is for a platform that no image is for.
    """
    platform = native_platform()
    if platform is None:
        known = " or ".join(f"`{each}`" for each in PLATFORMS)
        raise UsageError(
            "mlimage cannot be locked for the python of this machine", hint=f"use a machine that is {known}"
        )
    return OwnPython(root=Path("/"), python=f"{sys.version_info[0]}.{sys.version_info[1]}", platform=platform)
