"""What a person types after `mlimage run`, as values; every refusal says what to type instead. Pure."""

import difflib
import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Final

from mlimage.errors import UsageError
from mlimage.host.request import LOOPBACK

_SIZE: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*([kmgt]?)(?:i?b)?\Z", re.IGNORECASE)
_UNITS: Final = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_PORT: Final = re.compile(r"(?:(?P<address>\[[0-9a-fA-F:]+\]|[0-9.]+):)?(?P<number>[0-9]{1,5})\Z")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
SMALLEST_MEMORY: Final = 6 << 20
"""Bytes below which Docker refuses to make a container."""


def parse_size(text: str, option: str) -> int:
    """Bytes from `512m`, `2g`, `1.5 GiB`: as for Docker, units are powers of 1024 and case does not matter.

    Raises:
        UsageError: it is no size, or less than a container can live on.
    """
    match = _SIZE.match(text.strip())
    if match is None:
        raise UsageError(f"{option}: `{text}` is no size", hint=f"for instance {option} 2g")
    size = int(float(match[1]) * 1024 ** _UNITS[match[2].lower()])
    if size < SMALLEST_MEMORY:
        raise UsageError(f"{option}: `{text}` is less than 6 MB", hint=f"for instance {option} 2g")
    return size


def parse_port(text: str) -> tuple[str, int]:
    """(address, port) from `[ADDRESS:]PORT`; the address is this machine's own unless another is given.

    Raises:
        UsageError: it is neither.
    """
    match = _PORT.match(text)
    try:
        address = str(ipaddress.ip_address((match["address"] or LOOPBACK).strip("[]"))) if match else ""
        number = int(match["number"]) if match else -1
    except ValueError:
        number = -1
    if not 0 <= number <= 65535:
        raise UsageError(
            f"--port: `{text}` is no port",
            hint="write PORT or ADDRESS:PORT, for instance 9000 or 0.0.0.0:9000; 0 is any free port",
        )
    return address, number


def parse_env(texts: Iterable[str], environ: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Variables from `NAME=VALUE`, or `NAME` for the value that mlimage has; the last of a name counts.

    Raises:
        UsageError: it is no variable, or mlimage's environment lacks it.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not _NAME.match(name):
            raise UsageError(f"--env: `{text}` is no variable", hint="write NAME=VALUE")
        if not equals and name not in environ:
            raise UsageError(f"--env: `{name}` is not set here", hint=f"write {name}=VALUE, or set it first")
        found[name] = value if equals else environ[name]
    return tuple(sorted(found.items()))


def parse_data(texts: Iterable[str], declared: tuple[str, ...]) -> dict[str, str]:
    """Folders by data name from `NAME=FOLDER`.

    Raises:
        UsageError: it is something else, a name comes twice, or the image reads no such data.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, _, folder = text.partition("=")
        if not name or not folder:
            raise UsageError(f"--data: `{text}` names no folder", hint="write NAME=FOLDER")
        if name in found:
            raise UsageError(f"--data: `{name}` is given twice", hint="each data name has one folder")
        if name not in declared:
            raise UsageError(f"the image reads no data `{name}`", hint=_data_hint(name, declared))
        found[name] = folder
    return found


def check_role(arguments: tuple[str, ...], roles: Iterable[str], image: str) -> None:
    """Refuse a role that the image does not have; any other word may be a command in it.

    Raises:
        UsageError: it is a role, but not one of this image; or there are no arguments and nothing to serve.
    """
    has = tuple(roles)
    words = ", ".join(f"`{word}`" for word in (*has, "shell"))
    if not arguments:
        raise UsageError(
            f"say what `{image}` shall do: {words}, or `-- COMMAND`",
            hint=f"for instance `mlimage run {image} {has[0] if has else 'shell'}`",
        )
    if arguments[0] in {"train", "serve"} and arguments[0] not in has:
        raise UsageError(
            f"`{image}` has no role `{arguments[0]}`; it has {words}",
            hint=f"give it a command in its mlimage.yaml: `{arguments[0]}: {{command: …}}`",
        )


def check_data(given: Iterable[str], declared: tuple[str, ...], env: Mapping[str, str], role: str) -> None:
    """Refuse to start a role without data that it reads; a variable of its own counts as given.

    Raises:
        UsageError: names what is missing.
    """
    from mlimage.runtime.places import data_variable

    has = set(given)
    missing = [name for name in declared if name not in has and data_variable(name) not in env]
    if missing:
        raise UsageError(
            f"`{role}` reads data that is not given: " + ", ".join(f"`{name}`" for name in missing),
            hint="give its folder: " + " ".join(f"--data {name}=FOLDER" for name in missing),
        )


def _data_hint(name: str, declared: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, declared, n=1)
    if near:
        return f"did you mean `{near[0]}`?"
    if declared:
        return "its data names: " + ", ".join(f"`{known}`" for known in declared)
    return "declare it in mlimage.yaml, for instance `data: [" + name + "]`, and build again"
