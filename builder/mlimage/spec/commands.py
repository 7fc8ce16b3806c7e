"""Commands of roles and of steps: which words they are, and which of them a shell reads."""

import json
import re
import shlex
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema
from pydantic_core import PydanticKnownError

from mlimage.spec.fields import ENV, refuse

_SHELLS: Final = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh"})
_SIGNS: Final = frozenset({"&&", "||", "|", ";", "&", ">", ">>", "<", "<<", "2>", "2>&1", "&>"})
_VARIABLE: Final = re.compile(r"\$(?:[A-Za-z_]|\{|\()")


def _command(value: object) -> object:
    """A string is split as a shell splits words; no shell is there for the rest, so its signs are refused."""
    if not isinstance(value, str):
        if not isinstance(value, tuple):
            raise PydanticKnownError("string_type")
        if not value or value[0] == "":
            raise refuse("the command is empty", "write it as `python train.py`")
        return value
    try:
        words = tuple(shlex.split(value))
    except ValueError as error:
        reason = "a quote is not closed" if "quotation" in str(error) else str(error).lower()
        raise refuse(f"cannot be split into words: {reason}", "write a list: `[python, train.py]`") from None
    if not words or not words[0]:
        raise refuse("the command is empty", "write it as `python train.py`")
    if re.match(ENV + "=", words[0]):
        raise refuse(f"`{words[0]}` is not a program", "set variables under `env:`")
    _refuse_shell(value, words)
    return words


def _refuse_shell(value: str, words: tuple[str, ...]) -> None:
    """Refuse what only a shell would understand; the script of `sh -c SCRIPT` is read by one."""
    script = _script_of(words)
    ours = words if script is None else (*words[:script], *words[script + 1 :])
    sign = next((word for word in ours if word in _SIGNS), None) or next(
        (word[-1] for word in ours if word.endswith((";", "&"))), None
    )
    variable = next(filter(None, map(_VARIABLE.search, ours)), None)
    if sign is None and variable is None:
        return
    if script is not None:
        means = "only the word after `-c` is read by the shell"
        hint = 'put all of the script between quotes, as in `sh -c "exec python serve.py"`'
    else:
        means = "no shell reads the command"
        hint = f"let a shell read it: `{_for_a_shell(value, steps=sign is not None)}`"
    if sign is not None:
        raise refuse(f"{means}, so `{sign}` means nothing in it", hint)
    if variable is not None:
        name = variable.string[variable.start() :].split()[0]
        raise refuse(f"{means}, so `{name}` stays as it is", hint)


def _script_of(words: tuple[str, ...]) -> int | None:
    """Which word is the script that a shell reads: of `bash -euo pipefail -c SCRIPT ARGUMENT` the fourth."""
    if words[0].rpartition("/")[2] not in _SHELLS:
        return None
    at, reads = 1, False
    while at < len(words) and words[at].startswith(("-", "+")):
        flags = "" if words[at].startswith("--") else words[at]
        reads |= "c" in flags
        at += 2 if flags.endswith(("o", "O")) else 1
    return at if reads and at < len(words) else None


def _for_a_shell(value: str, *, steps: bool) -> str:
    """The command as a list that works; a single program takes the shell's place, so that it gets signals."""
    script = value.strip()
    if not steps and not script.startswith("exec "):
        script = f"exec {script}"
    return f"[sh, -c, {json.dumps(script, ensure_ascii=False)}]"


def _shell_command(value: str) -> str:
    if not value.strip():
        raise refuse("the command is empty", "write what the shell runs, or remove the step")
    words = value.split(maxsplit=1)
    if words[0].startswith("-"):
        raise refuse(
            f"`{words[0]}` is not a program",
            "options of a Dockerfile's RUN are keys here: `secrets:`, `cache:`, `network:`",
        )
    if words[0].upper() == "RUN" and words[1:]:
        raise refuse("`RUN` is a word of Dockerfiles, not a program", f"write `{words[1].strip()}`")
    return value


Command = Annotated[
    tuple[str, ...],
    BeforeValidator(_command),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1},
                {"type": "array", "items": {"type": "string"}, "minItems": 1},
            ]
        }
    ),
]
ShellCommand = Annotated[
    str, AfterValidator(_shell_command), WithJsonSchema({"type": "string", "minLength": 1})
]
