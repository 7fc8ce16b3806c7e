"""Paths of an image's unpacked root file system, whose absolute links lead from its root, not from ours."""

import os
from pathlib import Path
from typing import Final

_MAX_LINKS: Final = 40


def inside(root: Path, path: str) -> Path | None:
    """Where a path of the image leads in the folder that it is unpacked in; None where it leads nowhere.

    Args:
        root: the folder.
        path: absolute in the image, or relative to its root.
    """
    found: list[str] = []
    rest = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    links = 0
    while rest:
        part = rest.pop()
        if part == "..":
            found[-1:] = []
            continue
        here = root.joinpath(*found, part)
        if here.is_symlink():
            links += 1
            if links > _MAX_LINKS:
                return None
            target = os.readlink(here)  # noqa: PTH115 - a Path would drop a final slash
            if target.startswith("/"):
                found = []
            rest += [step for step in reversed(target.split("/")) if step not in ("", ".")]
            continue
        found.append(part)
    place = root.joinpath(*found)
    return place if place.exists() else None
