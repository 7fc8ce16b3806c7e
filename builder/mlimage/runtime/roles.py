"""What this image can do: its roles, data names and seed, as the build wrote them to `roles.json`."""

# ruff: noqa: PTH123 - every start of a container would wait for the import of `pathlib`
from __future__ import annotations

import json
from typing import Any, NamedTuple

from mlimage.runtime.failure import StartError

FILE = "/opt/mlimage/roles.json"
ROLES = ("train", "serve")
PREDICT = "/invocations"
"""Where a server predicts that says no other path: SageMaker's own."""


class Role(NamedTuple):
    """One role: its command, its environment and, for a server, its port and its paths."""

    command: tuple[str, ...]
    env: dict[str, str]
    port: int | None
    health: str | None
    predict: str = PREDICT


class Determinism(NamedTuple):
    """How far the numbers of two runs must agree.

    Attributes:
        profile: `fast` or `strict`.
        seed: the seed of every random number generator.
        threads: how many `strict` computes with.
        cross_vendor: whether `strict` holds across processors of different vendors.
        tf32: whether GPUs may round the inputs of products to ten bits.
        numpy: the code paths that `strict` turns off in this image's numpy.
        xla: the flags of `strict` for this image's XLA.
        requires: hardware without which the image does not start: `cuda`; empty for none.
    """

    profile: str
    seed: int
    threads: int = 1
    cross_vendor: bool = True
    tf32: bool = False
    numpy: tuple[str, ...] = ()
    xla: tuple[str, ...] = ()
    requires: str = ""


class Roles(NamedTuple):
    """Everything that `roles.json` says.

    Attributes:
        roles: the roles that the image has, by name, `train` before `serve`.
        data: names of the data that it reads.
        determinism: how far the numbers of two runs must agree.
        env: what the image itself sets, where the build tells it: a role may replace these values.
        places: where data is, by its name, by the word for a surrounding; not all has any.
        links: where in the application a program looks for data and models, and the path that it leads to.
    """

    roles: dict[str, Role]
    data: tuple[str, ...]
    determinism: Determinism
    env: dict[str, str]
    places: dict[str, dict[str, str]] = {}  # noqa: RUF012 - of a tuple, which cannot change
    links: dict[str, str] = {}  # noqa: RUF012 - likewise


def parse_roles(content: bytes) -> Roles:
    """Read `roles.json`; raises `StartError` when it is not what a build writes."""
    try:
        said = json.loads(content)
        determinism = _determinism(said["determinism"])
        return Roles(
            roles={name: _role(said[name]) for name in ROLES if said.get(name) is not None},
            data=tuple(_text(name) for name in said["data"]),
            determinism=determinism,
            env=_texts(said.get("env") or {}),
            places={_text(name): _texts(known) for name, known in said.get("places", {}).items()},
            links=_texts(said.get("links", {})),
        )
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise StartError(
            f"{FILE} is damaged ({type(error).__name__}: {error}); build the image again"
        ) from error


def read_roles(path: str = FILE) -> Roles:
    """Read the file of this image; raises `StartError` when it is missing or damaged."""
    try:
        with open(path, "rb") as stream:
            content = stream.read()
    except OSError as error:
        raise StartError(f"cannot read {path}: {error.strerror}") from error
    return parse_roles(content)


def _determinism(said: Any) -> Determinism:
    """What is not said is as it is by default."""
    return Determinism(
        profile=_text(said["profile"]),
        seed=_number(said["seed"]),
        threads=_number(said.get("threads", 1)),
        cross_vendor=bool(said.get("cross_vendor", True)),
        tf32=bool(said.get("tf32", False)),
        numpy=tuple(_text(name) for name in said.get("numpy", ())),
        xla=tuple(_text(flag) for flag in said.get("xla", ())),
        requires=_text(said.get("requires", "")),
    )


def _role(said: Any) -> Role:
    command = tuple(_text(word) for word in said["command"])
    if not command:
        raise ValueError("a command is empty")
    port, health = said.get("port"), said.get("health")
    return Role(
        command=command,
        env=_texts(said["env"]),
        port=None if port is None else _number(port),
        health=None if health is None else _text(health),
        predict=_text(said.get("predict", PREDICT)),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise TypeError(f"not a text: {value!r}")
    return value


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"not a whole number: {value!r}")
    return value


def _texts(value: Any) -> dict[str, str]:
    return {_text(name): _text(text) for name, text in value.items()}
