"""`<tag>.steps`: every file that the steps of a build left, to be read in reviews and compared with."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlimage.atomic import write_atomically
from mlimage.digest import Digest
from mlimage.errors import LockError, reason_of
from mlimage.regular import read_file

_LARGEST: Final = 256 << 20
"""Bytes; a line has some 120, and images have a few hundred thousand files at most."""
_HEADER: Final = """\
# What the steps of the build left in the image, file by file. Written by `mlimage build {image} --record`.
# Each line has what is there (mode, owner, digest of a file), a tab, and the path.
"""
_DIGEST: Final = r"sha256:[0-9a-f]{64}"
_SECTION: Final = re.compile(rf"\[(?P<layer>[a-z0-9-]+) (?P<key>{_DIGEST}) (?P<diff_id>{_DIGEST})\]")
_ODD: Final = re.compile(r"[\\\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""What could break a line, or cannot be written as UTF-8."""
_ESCAPED: Final = re.compile(r"(?:[^\\]|\\(?:[\\ntr]|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}))*")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepsRecord:
    """What one layer of steps had.

    Attributes:
        layer: its name.
        key: digest of what the steps could read.
        diff_id: digest of its tar.
        files: path and description of each entry, in order of the paths.
    """

    layer: str
    key: Digest
    diff_id: Digest
    files: tuple[tuple[str, str], ...]


def steps_file(folder: Path, tag: str) -> Path:
    """Where the record of an image is."""
    return folder / f"{tag}.steps"


def render_steps(image: str, records: Sequence[StepsRecord]) -> str:
    """The text of the file."""
    lines = [_HEADER.format(image=image).rstrip("\n")]
    for record in sorted(records, key=lambda record: record.layer):
        lines += ["", f"[{record.layer} {record.key} {record.diff_id}]"]
        lines += [f"{_escaped(what)}\t{_escaped(path)}" for path, what in record.files]
    return "\n".join(lines) + "\n"


def write_steps(folder: Path, tag: str, image: str, records: Sequence[StepsRecord]) -> None:
    """Write the record of an image; without layers there is none."""
    path = steps_file(folder, tag)
    if records:
        write_atomically(path, render_steps(image, records).encode())
    else:
        path.unlink(missing_ok=True)


def read_steps(folder: Path, tag: str) -> tuple[StepsRecord, ...]:
    """What was recorded; nothing where there is no file.

    Raises:
        LockError: the file is not as `write_steps` writes it.
    """
    path = steps_file(folder, tag)
    try:
        text = read_file(path, _LARGEST).decode()
    except FileNotFoundError:
        return ()
    except UnicodeDecodeError:
        raise _unreadable(path, 1, folder) from None
    except OSError as error:
        raise LockError(
            f"cannot be read: {reason_of(error)}",
            where=f"lockfiles/{folder.name}/{path.name}",
            hint=f"remove it; `mlimage build {folder.name} --record` writes it anew",
        ) from error
    sections: list[tuple[re.Match[str], list[tuple[str, str]]]] = []
    for number, line in enumerate(text.split("\n"), 1):
        begun = _SECTION.fullmatch(line)
        what, tab, place = line.partition("\t")
        if begun:
            sections.append((begun, []))
        elif tab and sections and _ESCAPED.fullmatch(line):
            sections[-1][1].append((_unescaped(place), _unescaped(what)))
        elif line and not line.startswith("#"):
            raise _unreadable(path, number, folder)
    return tuple(
        StepsRecord(
            layer=begun["layer"],
            key=Digest(begun["key"]),
            diff_id=Digest(begun["diff_id"]),
            files=tuple(files),
        )
        for begun, files in sections
    )


def _unreadable(path: Path, line: int, folder: Path) -> LockError:
    return LockError(
        "not as mlimage writes it",
        where=f"lockfiles/{folder.name}/{path.name}:{line}:1",
        hint=f"`mlimage build {folder.name} --record` writes it anew; look at the difference",
    )


def _escaped(path: str) -> str:
    return path.encode("unicode_escape").decode() if _ODD.search(path) else path


def _unescaped(path: str) -> str:
    return path.encode("ascii", "backslashreplace").decode("unicode_escape") if "\\" in path else path
