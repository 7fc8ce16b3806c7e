"""Rendered files in a project: written, or held against what is there."""

from collections.abc import Sequence
from difflib import unified_diff
from pathlib import Path
from typing import Final

from mlimage.atomic import write_atomically
from mlimage.regular import UnfitFileError, read_file

_LARGEST: Final = 16 << 20
"""Bytes of a file that was rendered."""


def write(files: Sequence[tuple[str, str]], project: Path) -> frozenset[str]:
    """Write what is not there as it should be; returns the paths of those files.

    Args:
        files: path in the project and text of each.
        project: the project's folder.

    Raises:
        OSError: a file cannot be written.
    """
    stale = {path: text for path, text in files if _read(project / path) != text}
    for path, text in stale.items():
        write_atomically(project / path, text.encode())
    return frozenset(stale)


def compare(files: Sequence[tuple[str, str]], project: Path) -> dict[str, str]:
    """The files that differ, each with a unified diff from what is there to what should be."""
    found = {}
    for path, text in files:
        there = _read(project / path)
        if there == text:
            continue
        before = (there or "").splitlines(keepends=True)
        lines = unified_diff(
            before,
            text.splitlines(keepends=True),
            fromfile=path if there is not None else "/dev/null",
            tofile=f"{path} (rendered)",
        )
        found[path] = "".join(line if line.endswith("\n") else f"{line}\n" for line in lines).rstrip("\n")
    return found


def _read(path: Path) -> str | None:
    try:
        return read_file(path, _LARGEST).decode(errors="replace")
    except (FileNotFoundError, UnfitFileError):  # what is no file is not as it should be, and written anew
        return None
