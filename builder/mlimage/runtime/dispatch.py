"""From the container's arguments to the command that starts. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mlimage.runtime.failure import NOT_FOUND, StartError
from mlimage.runtime.roles import ROLES, Roles

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SHELLS = ("/bin/bash", "/bin/sh")
WORDS = {
    "fingerprint": "what this machine and image are, numerically (--json)",
    "probe": "whether this machine computes right, and as another one (--help)",
    "verify": "whether it computes what its golden record says (--json)",
    "record": "what chosen requests give, for `mlimage freeze` (--help)",
}
"""Programs of the runtime, `words/`; what the help says of each."""
PROGRAM = ("/opt/venv/bin/python", "/opt/mlimage/lib/mlimage/runtime/__main__.py")
"""How they start: not with `-I`, which would ignore PYTHONHASHSEED, and as roles do."""


class Start(NamedTuple):
    """What will be executed, and as which role (None: a command that is none)."""

    command: tuple[str, ...]
    role: str | None


def dispatch(arguments: Sequence[str], roles: Roles, *, exists: Callable[[str], bool]) -> Start | None:
    """Decide what to start; None means that the help is wanted.

    `train` and `serve` start the role's command with the other arguments behind it, `shell` a shell, `WORDS`
    those programs, and `--` or anything else is a command as it is. Without arguments it is `serve` where
    there is that role, else the help.

    Raises:
        StartError: the role is not one of this image, or there is no command behind `--`.
    """
    first, rest = (
        (arguments[0], tuple(arguments[1:]))
        if arguments
        else ("serve" if "serve" in roles.roles else "help", ())
    )
    if first in roles.roles:
        return Start(command=(*roles.roles[first].command, *rest), role=first)
    if first in ROLES:
        raise StartError(f"this image has no role `{first}`; it has {listing(roles)}", status=NOT_FOUND)
    if first == "shell":
        shell = next((path for path in SHELLS if exists(path)), None)
        if shell is None:
            raise StartError(f"this image has no shell ({' or '.join(SHELLS)})", status=NOT_FOUND)
        return Start(command=(shell, *rest), role=None)
    if first in WORDS:
        return Start(command=(*PROGRAM, first, *rest), role=None)
    if first in {"help", "--help", "-h"}:
        return None
    if first == "--":
        if not rest:
            raise StartError("there is no command behind `--`", status=NOT_FOUND)
        return Start(command=rest, role=None)
    return Start(command=(first, *rest), role=None)


def listing(roles: Roles) -> str:
    """The words that this image understands, for messages."""
    return ", ".join(f"`{name}`" for name in (*roles.roles, "shell"))


def missing(command: str, roles: Roles) -> str:
    """The message for a command that is not there."""
    import difflib

    near = difflib.get_close_matches(command, (*roles.roles, "shell", *WORDS, "help"), n=1)
    guess = f"; did you mean `{near[0]}`?" if near else ""
    return f"`{command}` is no role of this image and no command in it; roles: {listing(roles)}{guess}"


def help_text(roles: Roles) -> str:
    """What `help` prints."""
    lines = ["arguments of this image:", ""]
    for name, role in roles.roles.items():
        where = f"  (port {role.port}, health {role.health})" if role.port is not None else ""
        lines.append(f"  {name:<13}{' '.join(role.command)}{where}")
    others = {"shell": "a shell", **WORDS, "-- COMMAND": "any other command", "help": "this text"}
    lines += [*(f"  {word:<13}{what}" for word, what in others.items()), ""]
    lines += [f"data is read from /data/{name}" for name in roles.data]
    lines += ["models are written to and read from /models"]
    return "\n".join(lines) + "\n"
