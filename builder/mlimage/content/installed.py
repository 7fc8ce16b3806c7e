"""Packages as pip installed them, to the files that `content.wheel` gives for the same wheels."""

import base64
import csv
import hashlib
import io
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.parser import BytesHeaderParser
from typing import Final

from packaging.utils import canonicalize_name

from mlimage.content.entry import Entry, Kind, file_of_bytes
from mlimage.content.wheel import INSTALLER
from mlimage.errors import BuildError

_LIMIT: Final = 64 << 20
_LEFT_OUT: Final = ("REQUESTED", "direct_url.json")
"""What says how pip was called, and not what is installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """One package: its normalized name, and its files in their canonical form, without bytecode."""

    name: str
    entries: tuple[Entry, ...]


def installed_packages(
    files: Mapping[str, Entry], *, library: str
) -> tuple[tuple[Installed, ...], frozenset[str]]:
    """The packages of a virtual environment, and the paths that belong to one of them.

    What pip writes is taken as it is but for what depends on how it was called: RECORD is sorted, INSTALLER
    says `mlimage`, REQUESTED, direct_url.json and pip's own bytecode are left out, modes are 0644 or 0755.

    Args:
        files: everything that was written, by path.
        library: the folder `site-packages`.

    Raises:
        BuildError: a RECORD cannot be read, or names a file that is not there.
    """
    packages = []
    owned: set[str] = set()
    for path in sorted(files):
        folder, _, name = path.rpartition("/")
        if name != "RECORD" or not folder.endswith(".dist-info") or folder.rpartition("/")[0] != library:
            continue
        package, paths = _package(files, folder, library)
        packages.append(package)
        owned |= paths
    return tuple(packages), frozenset(owned)


def _package(files: Mapping[str, Entry], info: str, library: str) -> tuple[Installed, frozenset[str]]:
    name = _name(files, info)
    try:
        rows = list(csv.reader(_read(files, f"{info}/RECORD").decode().splitlines()))
    except (UnicodeDecodeError, csv.Error) as error:
        raise BuildError(f"pip wrote a RECORD of `{name}` that cannot be read: {error}") from error
    entries: dict[str, Entry] = {}
    kept: list[list[str]] = []
    owned: set[str] = set()
    for row in rows:
        if len(row) != 3:
            raise BuildError(f"pip wrote a RECORD of `{name}` with a line that is none: {','.join(row)!r}")
        path = posixpath.normpath(posixpath.join(library, row[0]))
        owned.add(path)
        if _is_left_out(path, info, hashed=bool(row[1])):
            continue
        if path == f"{info}/INSTALLER":
            entries[path] = file_of_bytes(path, INSTALLER, origin=name)
            kept.append([row[0], *_hashed(INSTALLER)])
            continue
        entry = files.get(path)
        if entry is None or entry.kind is Kind.DIRECTORY:
            raise BuildError(f"pip's RECORD of `{name}` names `/{path}`, which is not in the image")
        entries[path] = replace(entry, mode=0o755 if entry.mode & 0o111 else 0o644, origin=name)
        kept.append(row)
    text = io.StringIO(newline="")
    csv.writer(text).writerows(sorted(kept))
    record = f"{info}/RECORD"
    entries[record] = file_of_bytes(record, text.getvalue().encode(), origin=name)
    return Installed(name=name, entries=tuple(entries[path] for path in sorted(entries))), frozenset(owned)


def _is_left_out(path: str, info: str, *, hashed: bool) -> bool:
    """Bytecode that pip made has no hash in RECORD; a wheel's own has one."""
    folder, _, name = path.rpartition("/")
    if folder == info:
        return name in _LEFT_OUT
    return name.endswith(".pyc") and folder.rpartition("/")[2] == "__pycache__" and not hashed


def _name(files: Mapping[str, Entry], info: str) -> str:
    headers = BytesHeaderParser().parsebytes(_read(files, f"{info}/METADATA"), headersonly=True)
    return str(canonicalize_name(str(headers["Name"] or "").strip()))


def _read(files: Mapping[str, Entry], path: str) -> bytes:
    entry = files.get(path)
    if entry is None or entry.open is None or entry.size > _LIMIT:
        raise BuildError(f"pip left no readable `/{path}` in the image")
    with entry.open() as stream:
        return stream.read()


def _hashed(content: bytes) -> tuple[str, str]:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"sha256={digest}", str(len(content))
