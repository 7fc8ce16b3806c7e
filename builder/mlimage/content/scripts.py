"""The programs of a wheel, as pip writes them: launchers of entry points, and scripts."""

import re
from dataclasses import dataclass
from typing import Final

from mlimage.content.members import refused

_GROUPS: Final = ("console_scripts", "gui_scripts")
_NAME: Final = re.compile(r"[^\s\[\]=/\\]+\Z")
_CALLABLE: Final = re.compile(
    r"(?P<module>\w+(?:\.\w+)*):(?P<name>\w+)(?P<rest>(?:\.\w+)*)\s*(?:\[[\w\s,.=-]*\])?\Z"
)
_LAUNCHER: Final = """\
import sys
from {module} import {name}
if __name__ == '__main__':
    sys.argv[0] = sys.argv[0].removesuffix('.exe')
    sys.exit({name}{rest}())
"""
_SHEBANG_LIMIT: Final = 127
"""Bytes of a first line that every Linux kernel reads (BINPRM_BUF_SIZE before 5.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPoints:
    """Names and callables of a wheel's programs; a later line of the same name replaces an earlier one."""

    console: dict[str, str]
    gui: dict[str, str]

    @property
    def names(self) -> frozenset[str]:
        """All names as the wheel gives them."""
        return frozenset(self.console) | frozenset(self.gui)


def read_entry_points(text: str, *, origin: str) -> EntryPoints:
    """Read `entry_points.txt` (entry points specification of the PyPA).

    Raises:
        BuildError: a line of the groups of programs is no `name = module:callable`.
    """
    groups: dict[str, dict[str, str]] = {group: {} for group in _GROUPS}
    group = ""
    for line in map(str.strip, text.splitlines()):
        if not line or line.startswith("#"):
            continue
        if line.startswith("[") and line.endswith("]"):
            group = line[1:-1]
            continue
        name, equals, value = (part.strip() for part in line.partition("="))
        if group not in groups:
            continue
        if not equals or not _NAME.match(name) or name in {".", ".."} or not _CALLABLE.match(value):
            raise refused(origin, f"has the entry point `{line}`, which is not a name and `module:callable`")
        groups[group][name] = value
    return EntryPoints(console=groups["console_scripts"], gui=groups["gui_scripts"])


def launchers(points: EntryPoints, *, interpreter: str, python: str) -> list[tuple[str, bytes]]:
    """File name and bytes of each launcher, in pip's order: a later one replaces an earlier one of its name.

    The entry points `pip` and `easy_install` get the names of the image's Python version (`pip3.11`) in place
    of the versions that the wheel was built with, as pip does.

    Args:
        points: the wheel's entry points.
        interpreter: path of the interpreter in the image.
        python: its version, `X.Y`.
    """
    console = dict(points.console)
    named: list[tuple[str, str]] = []
    for program, names, versioned in (
        ("pip", ("pip", f"pip{python.partition('.')[0]}", f"pip{python}"), r"pip(\d+(\.\d+)?)?$"),
        ("easy_install", ("easy_install", f"easy_install-{python}"), r"easy_install(-\d+\.\d+)?$"),
    ):
        target = console.pop(program, None)
        if target:
            named += [(name, target) for name in names]
            console = {name: value for name, value in console.items() if not re.match(versioned, name)}
    named += [*console.items(), *points.gui.items()]
    head = shebang(interpreter)
    return [(name, head + _launcher(value)) for name, value in named]


def _launcher(value: str) -> bytes:
    match = _CALLABLE.match(value)
    if match is None:  # pragma: no cover - checked when read
        raise AssertionError(value)
    return _LAUNCHER.format(**match.groupdict()).encode()


def shebang(interpreter: str) -> bytes:
    """How a launcher begins: by way of `sh` where the kernel cannot read the line (spaces, too long)."""
    if " " in interpreter:
        interpreter = f'"{interpreter}"'
    line = interpreter.encode()
    if b" " not in line and len(line) + 3 <= _SHEBANG_LIMIT:
        return b"#!" + line + b"\n"
    return b"#!/bin/sh\n'''exec' " + line + b' "$0" "$@"\n' + b"' '''\n"


def is_wrapper(file: str, points: EntryPoints) -> bool:
    """Whether a script of the wheel is setuptools' launcher of an entry point: a new one replaces it."""
    lowered = file.lower()
    for ending in (".exe", "-script.py", ".pya"):
        if lowered.endswith(ending):
            return file[: -len(ending)] in points.names
    return file in points.names


def with_interpreter(script: bytes, interpreter: str) -> bytes:
    """A first line `#!python…` becomes the image's interpreter; pip drops its arguments, and so does this."""
    if not script.startswith(b"#!python"):
        return script
    _, _, rest = script.partition(b"\n")
    return b"#!" + interpreter.encode() + b"\n" + rest
