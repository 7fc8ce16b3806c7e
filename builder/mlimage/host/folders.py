"""The folders of this machine that a run reads and writes, checked before it starts."""

import os
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from mlimage.errors import RunError, UsageError
from mlimage.host.contract import User


def default_user(own: User, image: User) -> User:
    """Who a run is: the person who starts it, so that models are theirs; for root, the image's own user."""
    return own if own.uid != 0 else image


def data_folder(name: str, folder: Path, *, or_file: bool = False) -> Path:
    """The absolute path of a data folder, or file; raises `UsageError` when there is none."""
    path = Path(os.path.abspath(folder.expanduser()))  # noqa: PTH100 - `resolve` would hide the user's name for it
    try:
        found = path.stat()
    except OSError as error:
        raise UsageError(
            f"data `{name}`: cannot use `{folder}`: {(error.strerror or str(error)).lower()}",
            hint=f"put it there, or say where it is: --data {name}=PATH"
            if or_file
            else f"give the folder that has it: --data {name}=FOLDER",
        ) from error
    if not (S_ISDIR(found.st_mode) or (or_file and S_ISREG(found.st_mode))):
        raise UsageError(
            f"data `{name}`: `{folder}` is no folder",
            hint=f"give the folder that the file is in: --data {name}={path.parent}",
        )
    return path


def models_folder(folder: Path, user: User, *, writes: bool) -> Path:
    """The absolute path of the folder of models, made when missing.

    Args:
        folder: as the user gave it.
        user: who will run; a folder that root makes is given to them.
        writes: whether the run will write there, so that it must be able to.

    Raises:
        RunError: it cannot be made, or the user of the run cannot write there.
    """
    path = Path(os.path.abspath(folder.expanduser()))  # noqa: PTH100 - `resolve` would hide the user's name for it
    try:
        if not path.is_dir():
            path.mkdir(parents=True)
            if os.geteuid() == 0:
                os.chown(path, user.uid, user.gid)
        found = path.stat()
    except OSError as error:
        raise RunError(
            f"cannot make the models folder `{folder}`: {(error.strerror or str(error)).lower()}",
            hint="name another with --models FOLDER",
        ) from error
    if writes and not allows(found, user, 0o3):
        raise RunError(
            f"the models folder `{folder}` cannot be written by user {user}, as which the image runs",
            hint=f"chown {user} {path}  (or run as its owner: --user {found.st_uid}:{found.st_gid})",
        )
    return path


def allows(found: os.stat_result, user: User, wanted: int) -> bool:
    """Whether mode bits let the user (with no groups but its own) do what `wanted` says: r 4, w 2, x 1."""
    if user.uid == 0:
        return True
    if found.st_uid == user.uid:
        shift = 6
    elif found.st_gid == user.gid:
        shift = 3
    else:
        shift = 0
    return (found.st_mode >> shift) & wanted == wanted
