"""Where a symbolic link of an image leads, by the image's own files: nothing of this machine is followed."""

import errno
import os
from collections.abc import Callable, Collection
from typing import Final

_MOST: Final = 40
"""Links on the way to one file, as in Linux."""
MODELS: Final = "models"
DATA: Final = "data"
_OF_THE_KERNEL: Final = ("dev", "proc", "sys")
"""What lies there no image has, and every container."""
_SCRATCH: Final = "tmp"


def follow(path: str, target_of: Callable[[str], str | None]) -> str:
    """The path without links and dots, relative to the image's root as `path` is.

    Args:
        path: what is followed, its last link too.
        target_of: the target of the link at a path without links; None where there is no link.

    Raises:
        OSError: links lead in a circle; and what `target_of` raises.
    """
    at = ""
    left = path.split("/")[::-1]
    links = 0
    while left:
        part = left.pop()
        if part in {"", "."}:
            continue
        if part == "..":
            at = at.rpartition("/")[0]
            continue
        place = f"{at}/{part}" if at else part
        target = target_of(place)
        if target is None:
            at = place
            continue
        links += 1
        if links > _MOST:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        if target.startswith("/"):
            at = ""
        left += target.split("/")[::-1]
    return at


def is_mounted(path: str, data: Collection[str]) -> bool:
    """Whether a container has it when it runs, whatever its image has: models, data, devices, `/tmp`."""
    first, _, rest = path.partition("/")
    if first == DATA:
        return not rest or rest.partition("/")[0] in data
    return first in {MODELS, *_OF_THE_KERNEL} or path == _SCRATCH
