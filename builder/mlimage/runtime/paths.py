"""Which key of mlimage.yaml mends a path that a program could not use: one line after its traceback.

The exception says the path and why. What lies there in a container, the roles of the image tell; what of the
project is not in the image, `mlimage run` tells by a variable.
"""

from __future__ import annotations

import errno
import json
import os
import posixpath
import re
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from mlimage.runtime.failure import StartError
from mlimage.runtime.places import data_variable, mounted
from mlimage.runtime.roles import read_roles

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mlimage.runtime.roles import Roles

LEFT_OUT = "MLIMAGE_LEFT_OUT"
"""The variable with what of the project is not in the image, as JSON: `ignored`, paths below `app.source`;
`beside`, names of what lies beside it, each with its path from mlimage.yaml."""
APP = "/app"
MODELS = "/models"
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR})
_REFUSED = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_QUOTED = re.compile(r"'([^'\n]+)'")
_SYSTEM = frozenset(
    {"bin", "dev", "etc", "lib", "lib64", "opt", "proc", "run", "sbin", "sys", "tmp", "usr", "var"}
)


class Failed(NamedTuple):
    """A path as the program said it, and the number of the error."""

    path: str
    number: int


class Here(NamedTuple):
    """The container.

    Attributes:
        roles: what its image says.
        environ: of the program.
        folder: its working directory.
        exists: whether something is at a path.
        names: what is in a folder; nothing where there is none.
    """

    roles: Roles
    environ: Mapping[str, str]
    folder: str
    exists: Callable[[str], bool]
    names: Callable[[str], list[str]]


def tell() -> None:
    """Say it, where this Python ends by an exception that is about a path."""
    # Python keeps what was not caught here, whoever has shown it; at a prompt it has been seen.
    error = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    found = failed(error) if error is not None and not hasattr(sys, "ps1") else None
    if found is None:
        return
    try:
        folder = os.getcwd()  # noqa: PTH109 - as text, as all paths of a program here
        line = explain(found, Here(read_roles(), os.environ, folder, os.path.exists, _names))
    except (StartError, OSError):
        return
    if line:
        sys.stderr.write(f"mlimage: {line}\n")


def _names(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as listing:
            return [entry.name for entry in listing]
    except OSError:
        return []


def failed(error: BaseException) -> Failed | None:
    """The path that an exception is about, or one that led to it; None where there is none."""
    at: BaseException | None = error
    seen: set[int] = set()
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        if isinstance(at, OSError) and at.errno in _ABSENT | _REFUSED and not _is_of_program(at):
            path = at.filename2 or at.filename
            if path is None:  # HDF5, for one, has it in its words alone
                quoted = _QUOTED.search(str(at))
                path = quoted and quoted[1]
            if isinstance(path, (str, bytes, os.PathLike)) and path:
                return Failed(os.fsdecode(path), at.errno)
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
    return None


def _is_of_program(error: OSError) -> bool:
    """Whether `subprocess` could not start a program, which is no file of the project."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code.co_name == "_execute_child"


def explain(found: Failed, here: Here) -> str | None:
    """The line, None where mlimage.yaml has nothing to do with it."""
    path = posixpath.normpath(posixpath.join(here.folder, found.path))
    for place, target in here.roles.links.items():
        if _within(path, f"{APP}/{place}"):
            path = target + path[len(f"{APP}/{place}") :]
            break
    if found.number in _REFUSED:
        return _refused(path, found.number, here)
    if here.exists(path):
        return None
    if _within(path, MODELS):
        return _absent_model(path, here)
    name = next((name for name in here.roles.data if _within(path, mounted(name))), None)
    if name is not None:
        return _absent_data(name, path, found.number, here)
    if posixpath.isabs(found.path) and not _within(path, APP):
        return _absent_elsewhere(path)
    return _absent_in_app(posixpath.relpath(path, APP), here)


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _refused(path: str, number: int, here: Here) -> str | None:
    if number == errno.EROFS and any(_within(path, mounted(name)) for name in here.roles.data):
        return "data is read-only: write to the folder of models, or to /tmp"
    if number == errno.EROFS and _within(path, MODELS):
        return "no folder that can be written is mounted at `/models`"
    if not _within(path, APP) or path == APP:
        kept = "what shall stay belongs to the folder of models, `mlimage_runtime.models()`"
        return (
            f"the image is read-only: a program may write to /tmp, and {kept}"
            if number == errno.EROFS
            else None
        )
    inside = path[len(APP) + 1 :]
    return f"the image is read-only: {_as_models(inside, here)} in mlimage.yaml lets `{inside}` be written"


def _as_models(inside: str, here: Here) -> str:
    """The key that makes a path of the application one of models, with what the image has of it already."""
    links = here.roles.links.items()
    at = [place for place, target in links if target == MODELS]
    files = [place for place, target in links if target.startswith(f"{MODELS}/")]
    place = _first_missing(inside, here)
    parent = posixpath.dirname(place)
    if place == inside and posixpath.splitext(inside)[1]:
        # A folder of the application is one of models if there is nothing in it that could be imported.
        if parent and not any(name.endswith(".py") for name in here.names(f"{APP}/{parent}")):
            at.append(parent)
        else:
            files.append(inside)
    else:
        at.append(place)
    said = [f"at: {_yaml(at[0]) if len(at) == 1 else _list(at)}"] if at else []
    return "`models: {" + ", ".join(said + ([f"files: {_list(files)}"] if files else [])) + "}`"


def _first_missing(inside: str, here: Here) -> str:
    """The uppermost of a path's folders that the image lacks, or the path itself."""
    parts = inside.split("/")
    above = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    return next((each for each in above if not here.exists(f"{APP}/{each}")), inside)


def _absent_model(path: str, here: Here) -> str:
    inside = path[len(MODELS) + 1 :]
    folder = posixpath.dirname(inside)
    if folder and not here.exists(f"{MODELS}/{folder}"):
        return (
            f"the folder of models has no folder `{folder}`: a program that writes there makes it first, and "
            "one that reads finds it when `train` has written it"
        )
    if not here.names(MODELS):
        return "there is no model: train first, or mount the folder that has it at `/models`"
    return f"the folder of models has no `{inside}`: `train` writes it, or a program asks wrong"


def _absent_data(name: str, path: str, number: int, here: Here) -> str:
    root = mounted(name)
    where = here.environ.get(data_variable(name)) or root
    if where != root:
        return f"in this run the data `{name}` is at {where}: `mlimage_runtime.data({name!r})` says so"
    if number == errno.ENOTDIR:
        return f"the data `{name}` is a file, so nothing lies below it"
    if here.exists(root):
        return f"the data `{name}` has no `{path[len(root) + 1 :]}`"
    return f"the data `{name}` is not mounted: `mlimage run --data {name}=FOLDER`, or a mount at `{root}`"


def _absent_elsewhere(path: str) -> str | None:
    first, _, rest = path[1:].partition("/")
    if first in _SYSTEM:
        return None
    if first == "data":
        return f"the image reads no data `{rest.partition('/')[0]}`: name it under `data:` in mlimage.yaml"
    return f"`{path}` is not in the image: {_by_name(path)}"


def _absent_in_app(inside: str, here: Here) -> str:
    """A path below `/app`, or, with `../`, beside it."""
    left_out = _left_out(here.environ.get(LEFT_OUT))
    below = re.sub(r"^(\.\./)+", "", inside)
    if below == inside:
        ignored = next((each for each in left_out["ignored"] if _within(inside, each)), None)
        if ignored is not None:
            mended = _as_data(_first_missing(inside, here))
            return (
                f"`{ignored}` is ignored (`app.ignore`, .dockerignore), and so not in the image: {mended} in "
                "mlimage.yaml mounts it there"
            )
    name = next((each for each in left_out["beside"] if _within(below, each)), None)
    if name is not None:
        why = f"`{name}` is outside of `app.source`, and so not in the image"
        local = left_out["beside"][name]
        if below != inside:
            return f"{why}: {_by_name(local + below[len(name) :])}"
        place = _first_missing(below, here)
        mended = _as_data(place, local + place[len(name) :])
        return f"{why}: move it there, or mount it by {mended} in mlimage.yaml"
    if below != inside:
        return f"`{inside}` is outside of `/app`: the image has nothing but what is below `app.source`"
    place = _first_missing(inside, here)
    return (
        f"`{place}` is not in the image: {_as_data(place)} in mlimage.yaml mounts data there, "
        f"{_as_models(inside, here)} models"
    )


def _by_name(path: str) -> str:
    """How a program gets what lies in a folder that has no place in the application."""
    folder = posixpath.dirname(path) if posixpath.splitext(path)[1] else path
    name = _data_name(folder)
    return (
        f"`data: {{{name}: {{local: {_yaml(folder)}}}}}` in mlimage.yaml mounts its folder, and "
        f"`mlimage_runtime.data({name!r})` says where"
    )


def _as_data(place: str, local: str = "") -> str:
    said = f"at: {_yaml(place)}" + (f", local: {_yaml(local)}" if local else "")
    return f"`data: {{{_data_name(place)}: {{{said}}}}}`"


def _data_name(path: str) -> str:
    """A name for data of what a path ends in."""
    stem = posixpath.splitext(posixpath.basename(path))[0].lower()
    return re.sub(r"[^a-z0-9]+", "-", stem.lstrip("0123456789")).strip("-")[:64].rstrip("-") or "input"


def _left_out(said: str | None) -> dict[str, Any]:
    """What the variable says; nothing where another than `mlimage run` started the container."""
    nothing: dict[str, Any] = {"ignored": [], "beside": {}}
    try:
        found = json.loads(said or "{}")
    except ValueError:
        return nothing
    return {**nothing, **found} if isinstance(found, dict) else nothing


def _yaml(text: str) -> str:
    return text if re.fullmatch(r"[\w./][\w./-]*", text) else json.dumps(text, ensure_ascii=False)


def _list(words: list[str]) -> str:
    return "[" + ", ".join(map(_yaml, words)) + "]"
