"""The requests that a golden record is computed for, read once: images that compute them may change files."""

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlimage.errors import UsageError, reason_of
from mlimage.plan.golden import LARGEST_FILE, MOST_FILES
from mlimage.regular import UnfitFileError, listing, read_file, read_inside


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request: the name of its file, and its bytes."""

    name: str
    content: bytes


_HINT: Final = "put requests there, a file each: `zero.json`, `empty.csv`"


def requests_in(chosen: Path, trained: Path, *, shown: str) -> tuple[Request, ...]:
    """The requests, by name.

    Args:
        chosen: the folder that the spec names; it need not be there where training kept some.
        trained: the folder where training keeps requests; it need not be there. The image writes into it, so
            that it has no links.
        shown: what the first one is called in messages.

    Raises:
        UsageError: there are none, two of one name, or one cannot be read.
    """
    kept = _kept(trained)
    try:
        own = _chosen(chosen)
    except OSError as error:
        if not (kept and isinstance(error, FileNotFoundError)):
            raise UsageError(f"`{shown}`: {reason_of(error)}", hint=_HINT) from error
        own = []
    if not own + kept:
        raise UsageError(f"`{shown}` has no requests", hint=_HINT)
    twice = {request.name for request in own} & {request.name for request in kept}
    if twice:
        raise UsageError(
            f"`{shown}` has a request `{min(twice)}`, and training kept one of that name",
            hint="give one of them another name",
        )
    return tuple(sorted((*own, *kept), key=lambda request: request.name))


def _chosen(folder: Path) -> list[Request]:
    """Links are followed: the folder is the user's own."""
    found = []
    for path in folder.iterdir():
        if path.name.startswith(".") or path.is_dir():
            continue
        try:
            found.append(Request(name=path.name, content=read_file(path, LARGEST_FILE, follow=True)))
        except OSError as error:
            raise _unreadable(path, error) from error
    return found


def _kept(folder: Path) -> list[Request]:
    """None of them through a link, which in an image leads elsewhere than here."""
    root, name = folder.parent, folder.name
    try:
        if not stat.S_ISDIR(folder.lstat().st_mode):
            raise UnfitFileError("it is not a folder", folder)
        names = [path for path in listing(root, name, most=MOST_FILES) if not path.startswith(".")]
        return [
            Request(name=path, content=read_inside(root, f"{name}/{path}", LARGEST_FILE))
            for path in names
            if "/" not in path
        ]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise _unreadable(root / str(error.filename or name), error) from error


def _unreadable(path: Path, error: OSError) -> UsageError:
    return UsageError(
        f"the request `{path}` cannot be read: {reason_of(error)}", hint="remove it, or put a file there"
    )
