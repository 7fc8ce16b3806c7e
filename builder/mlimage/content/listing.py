"""What a wheel installs, by path, as its RECORD says it: read without unpacking any of it."""

import csv
import io
import posixpath
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from mlimage.content.entry import Entry, file_of_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The files of an installed wheel.

    Attributes:
        files: their paths in the image, each with the hash that RECORD gives it, empty for RECORD itself.
    """

    files: Mapping[str, str]


def list_files(entries: Sequence[Entry]) -> Listing:
    """The listing of `content.wheel.wheel_entries`."""
    record = record_of(entries)
    folder = record.path.rpartition("/")[0].rpartition("/")[0]
    there = {
        entry.path for entry in entries
    }  # scripts that stand for entry points are recorded, and replaced
    rows = csv.reader(read_small(record).decode().splitlines())
    return Listing(
        files={
            place: digest.rstrip("=") for path, digest, _ in rows if (place := _place(folder, path)) in there
        }
    )


def record_of(entries: Sequence[Entry]) -> Entry:
    """The RECORD of a package among its files: some carry those of others along, further down."""
    records = [entry for entry in entries if entry.path.endswith(".dist-info/RECORD")]
    return min(records, key=lambda entry: entry.path.count("/"))


def read_small(entry: Entry) -> bytes:
    """All of a file.

    Raises:
        BuildError: it is not what its package says.
    """
    if entry.open is None:
        return b""
    with entry.open() as stream:
        return stream.read()


def without(entries: Sequence[Entry], paths: Collection[str]) -> tuple[Entry, ...]:
    """A package without some of its files, and with a RECORD that does not know them."""
    record = record_of(entries)
    folder = record.path.rpartition("/")[0].rpartition("/")[0]
    rows = csv.reader(read_small(record).decode().splitlines())
    text = io.StringIO(newline="")
    csv.writer(text).writerows(row for row in rows if _place(folder, row[0]) not in paths)
    changed = file_of_bytes(record.path, text.getvalue().encode(), origin=record.origin, mode=record.mode)
    return tuple(changed if entry is record else entry for entry in entries if entry.path not in paths)


def _place(folder: str, path: str) -> str:
    """Where a file is that RECORD names from site-packages: the `lib64` of a venv is a link to its `lib`."""
    named = posixpath.normpath(posixpath.join(folder, path))
    venv = folder.rpartition("/lib/")[0]
    inside = named.removeprefix(f"{venv}/lib64/")
    return named if inside == named else f"{venv}/lib/{inside}"
