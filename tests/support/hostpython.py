"""This machine's own python in place of an unpacked base's, so that no base is needed."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from mlimage.content.interpreter import Interpreter
from mlimage.platforms import LINUX_AMD64
from mlimage.process import Command

STAND_IN: Final = f"""\
#!/bin/sh
while [ "$1" != --argv0 ]; do shift; done
shift 3
unset PYTHONHOME
exec {sys.executable} "$@"
"""
"""In the place of a dynamic loader: it starts this machine's python with the same arguments."""


class HostPython(Interpreter):
    """Runs the python of the tests, with the arguments and the environment that a base's python gets."""

    __slots__ = ()

    def command(
        self, *args: str, env: Mapping[str, str] | None = None, stdin: bytes | None = None
    ) -> Command:
        return Command(
            argv=(sys.executable, "-S", "-s", "-B", *args),
            env={"PYTHONSAFEPATH": "1", "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", **(env or {})},
            stdin=stdin,
        )


def host_python() -> HostPython:
    """The python of the tests."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return HostPython(root=Path("/"), python=version, platform=LINUX_AMD64)
