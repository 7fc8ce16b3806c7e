"""A wheel to the files that `pip install --no-compile --no-deps` writes into the image's venv.

What differs from pip: INSTALLER says `mlimage`, there is no REQUESTED and no direct_url.json; and what the
wheel format forbids but pip lets pass is an error: files that RECORD has with another hash, or not at all,
and two files for one path.
"""

import base64
import csv
import hashlib
import io
import posixpath
import re
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from functools import partial
from pathlib import Path
from typing import Final

from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from mlimage.content.archive import Archive, read_archive
from mlimage.content.entry import Entry, Kind, file_of_bytes
from mlimage.content.members import Checksum, Member, refused
from mlimage.content.scripts import EntryPoints, is_wrapper, launchers, read_entry_points, with_interpreter

INSTALLER: Final = b"mlimage\n"

_HASH: Final = re.compile(r"sha256=[\w-]{43}=?|sha384=[\w-]{64}|sha512=[\w-]{86}={0,2}", re.ASCII)
"""The hashes that count (recording installed projects: sha256 or better)."""

_METADATA_LIMIT: Final = 64 * 1024 * 1024
_SCRIPT_LIMIT: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Row:
    """What RECORD says of a file: hash and size in its own words, and the hash as a value."""

    digest: str
    size: str
    checksum: Checksum | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wheel:
    """What is known about a wheel before its files are placed."""

    archive: Archive
    info: str
    name: str
    record: dict[str, _Row]
    points: EntryPoints


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scheme:
    """Where things go: the `venv` scheme of sysconfig, and headers where pip has them in a venv.

    The name in the headers' folder is the one that pip was asked for; in a lock that is the normalized one.
    """

    prefix: str
    python: str
    name: str

    @property
    def library(self) -> str:
        return f"{self.prefix}/lib/python{self.python}/site-packages"

    @property
    def interpreter(self) -> str:
        return f"/{self.prefix}/bin/python"

    def folders(self) -> dict[str, str]:
        """Folder of each key that may stand below `.data`."""
        return {
            "purelib": self.library,
            "platlib": self.library,
            "scripts": f"{self.prefix}/bin",
            "headers": f"{self.prefix}/include/site/python{self.python}/{self.name}",
            "data": self.prefix,
        }

    def reserved(self) -> tuple[str, ...]:
        """Paths that make the venv one."""
        names = ("bin/python", "bin/python3", f"bin/python{self.python}", "lib64", "pyvenv.cfg")
        return tuple(f"{self.prefix}/{name}" for name in names)

    def place(self, path: str) -> str:
        """Where a path of the venv really is: its `lib64` is a link to `lib`."""
        linked = f"{self.prefix}/lib64"
        return f"{self.prefix}/lib{path[len(linked) :]}" if path.startswith(f"{linked}/") else path

    def recorded(self, path: str) -> str:
        """A path as RECORD writes it: relative to site-packages."""
        inside = f"{self.library}/"
        return path[len(inside) :] if path.startswith(inside) else posixpath.relpath(path, self.library)


def wheel_entries(
    path: Path, *, python: str, prefix: str = "opt/venv", origin: str, filename: str | None = None
) -> tuple[Entry, ...]:
    """The files of an installed wheel, sorted by path; the folders above them are left to `arrange`.

    Nothing is unpacked here but metadata and scripts: each entry's `open` streams straight from the archive,
    and checks the file's hash against RECORD before it gives the last bytes. Several threads may read.

    Args:
        path: the wheel.
        python: version of the image's interpreter, `X.Y`.
        prefix: the venv in the image, without a leading `/`.
        origin: what it is in the user's words (`numpy 2.3.5`), for messages.
        filename: the wheel's own file name, whose name and version must be those inside; when None that of
            `path`, if it ends with `.whl`.

    Raises:
        BuildError: the archive is no valid wheel, or hostile; while an entry is read: its bytes are not what
            RECORD says.
    """
    wheel = _read(path, filename if filename is not None else path.name, origin)
    scheme = _Scheme(prefix=prefix, python=python, name=wheel.name)
    placed = _place(wheel, scheme)
    members = {member.name: member for member in wheel.archive.members}
    changed = _changed_scripts(wheel, scheme, placed)
    generated = [
        (f"{prefix}/bin/{name}", content)
        for name, content in launchers(wheel.points, interpreter=scheme.interpreter, python=python)
    ]
    installer, record = (f"{scheme.library}/{wheel.info}/{name}" for name in ("INSTALLER", "RECORD"))
    entries = {path: file_of_bytes(path, content, origin=origin, mode=0o755) for path, content in generated}
    entries[installer] = file_of_bytes(installer, INSTALLER, origin=origin)
    entries[record] = file_of_bytes(record, _record(wheel, scheme, placed, changed, generated), origin=origin)
    own = {f"{wheel.info}/INSTALLER", f"{wheel.info}/RECORD"}
    for name, path_in_venv in placed.items():
        if name not in own:
            destination = scheme.place(path_in_venv)
            if destination in entries:
                raise refused(origin, f"has two files for `/{destination}`")
            entries[destination] = _entry(wheel, members[name], destination, changed.get(name))
    for destination in scheme.reserved():
        if destination in entries:
            raise refused(origin, f"would replace `/{destination}`")
    return tuple(entries[destination] for destination in sorted(entries, key=str.encode))


def _read(path: Path, filename: str, origin: str) -> _Wheel:
    archive = read_archive(path, origin=origin)
    members = {member.name: member for member in archive.members}
    infos = sorted(top for top in {name.partition("/")[0] for name in members} if top.endswith(".dist-info"))
    if len(infos) != 1:
        found = ", ".join(f"`{info}`" for info in infos) or "none"
        raise refused(origin, f"must have one `.dist-info` folder, but has {found}")
    info = infos[0]
    texts = {file: _text(archive, members, f"{info}/{file}") for file in ("WHEEL", "METADATA", "RECORD")}
    _check_format(HeaderParser().parsestr(texts["WHEEL"]), origin)
    name = _check_identity(HeaderParser().parsestr(texts["METADATA"]), info, filename, origin)
    record = _read_record(texts["RECORD"], info, members, origin)
    points = f"{info}/entry_points.txt"
    text = _text(archive, members, points) if points in members else ""
    return _Wheel(
        archive=archive, info=info, name=name, record=record, points=read_entry_points(text, origin=origin)
    )


def _text(archive: Archive, members: dict[str, Member], name: str) -> str:
    member = members.get(name)
    if member is None:
        raise refused(archive.origin, f"has no `{name}`")
    try:
        return archive.read(member, limit=_METADATA_LIMIT).decode()
    except UnicodeDecodeError as error:
        raise refused(archive.origin, f"has `{name}` that is not UTF-8") from error


def _check_format(wheel: Message, origin: str) -> None:
    """The major version must be 1: installers must refuse a greater one (PEP 427)."""
    version = str(wheel["Wheel-Version"] or "").strip()
    major, _, minor = version.partition(".")
    if not (major.isdecimal() and minor.isdecimal()):
        raise refused(origin, f"has the Wheel-Version `{version}`, which is none")
    if int(major) > 1:
        raise refused(origin, f"has the Wheel-Version {version}, where 1.0 is known")


def _check_identity(metadata: Message, info: str, filename: str, origin: str) -> str:
    """Normalized name of the package, equal in its metadata, its folder of metadata and its file name."""
    name, version = str(metadata["Name"] or "").strip(), str(metadata["Version"] or "").strip()
    try:
        identity = (canonicalize_name(name, validate=True), Version(version))
    except ValueError as error:
        raise refused(origin, f"has invalid metadata: name `{name}`, version `{version}`") from error
    folder_name, _, folder_version = info.removesuffix(".dist-info").partition("-")
    try:
        folder = (canonicalize_name(folder_name), Version(folder_version))
    except ValueError as error:
        raise refused(origin, f"has the folder `{info}`, which is no name and version") from error
    if folder != identity:
        raise refused(origin, f"is `{name} {version}` in its metadata, but has the folder `{info}`")
    if filename.endswith(".whl"):
        try:
            claimed = parse_wheel_filename(filename)[:2]
        except ValueError as error:
            raise refused(origin, f"has the invalid file name `{filename}`") from error
        if claimed != identity:
            raise refused(origin, f"is `{name} {version}` in its metadata, but its file is `{filename}`")
    return identity[0]


def _read_record(text: str, info: str, members: dict[str, Member], origin: str) -> dict[str, _Row]:
    """RECORD by path: every file of the archive must be in it with a hash, and no other (PEP 427).

    RECORD itself has no hash, and its signatures need not be in it.
    """
    own = f"{info}/RECORD"
    unhashed = {own, f"{own}.jws", f"{own}.p7s"}
    record: dict[str, _Row] = {}
    for row in csv.reader(text.splitlines()):
        if not row:
            continue
        if len(row) != 3:
            raise refused(
                origin, f"has the line `{','.join(row)}` in RECORD, which is not path, hash and size"
            )
        name, digest, size = row
        if name in record:
            raise refused(origin, f"lists `{name}` twice in RECORD")
        member = members.get(name)
        if member is None:
            raise refused(origin, f"lists `{name}` in RECORD, but has no such file")
        if size and size != str(member.size):
            raise refused(origin, f"has `{name}` with another size than RECORD says")
        if digest and not _HASH.fullmatch(digest):
            raise refused(origin, f"has no valid hash for `{name}` in RECORD: `{digest}`")
        if not digest and name not in unhashed:
            raise refused(origin, f"has no hash for `{name}` in RECORD")
        algorithm, _, encoded = digest.partition("=")
        record[name] = _Row(digest, size, Checksum(algorithm, encoded.rstrip("=")) if digest else None)
    for name in members:
        if name not in record and name not in unhashed:
            raise refused(origin, f"has `{name}`, which RECORD does not list")
    return record


def _place(wheel: _Wheel, scheme: _Scheme) -> dict[str, str]:
    """Where each file that is installed goes: name in the archive -> path in the image."""
    folders = scheme.folders()
    library = scheme.library
    placed: dict[str, str] = {}
    for member in wheel.archive.members:
        top, _, rest = member.name.partition("/")
        if not top.endswith(".data"):
            placed[member.name] = f"{library}/{member.name}"
            continue
        key, _, below = rest.partition("/")
        if key not in folders or not below:
            known = ", ".join(sorted(folders))
            raise refused(wheel.archive.origin, f"has `{member.name}`, where `{top}` may hold {known}")
        if key == "scripts" and is_wrapper(below.rpartition("/")[2], wheel.points):
            continue
        placed[member.name] = f"{folders[key]}/{below}"
    return placed


def _changed_scripts(wheel: _Wheel, scheme: _Scheme, placed: dict[str, str]) -> dict[str, bytes]:
    """The scripts that name their interpreter `#!python`, rewritten; others stay, as compiled programs do."""
    changed: dict[str, bytes] = {}
    for member in wheel.archive.members:
        top, _, rest = member.name.partition("/")
        if not (top.endswith(".data") and rest.startswith("scripts/") and member.name in placed):
            continue
        row = wheel.record.get(member.name)
        with wheel.archive.open(member, row.checksum if row else None) as stream:
            if stream.read(8) != b"#!python":
                continue
            if member.size > _SCRIPT_LIMIT:
                raise refused(wheel.archive.origin, f"has the script `{member.name}` of {member.size} bytes")
            changed[member.name] = with_interpreter(b"#!python" + stream.read(), scheme.interpreter)
    return changed


def _entry(wheel: _Wheel, member: Member, destination: str, content: bytes | None) -> Entry:
    origin = wheel.archive.origin
    mode = 0o755 if member.executable else 0o644
    if content is not None:
        return file_of_bytes(destination, content, origin=origin, mode=mode)
    row = wheel.record.get(member.name)
    return Entry(
        path=destination,
        kind=Kind.FILE,
        mode=mode,
        origin=origin,
        size=member.size,
        open=partial(wheel.archive.open, member, row.checksum if row else None),
    )


def _record(
    wheel: _Wheel,
    scheme: _Scheme,
    placed: dict[str, str],
    changed: dict[str, bytes],
    generated: list[tuple[str, bytes]],
) -> bytes:
    """RECORD as installed: the wheel's rows with installed paths, and rows of what was made, sorted."""
    installer = f"{wheel.info}/INSTALLER"
    final = dict(generated)
    rows = [(installer, *_hashed(INSTALLER))]
    rows += [(scheme.recorded(path), *_hashed(final[path])) for path, _ in generated]
    for name, row in wheel.record.items():
        path = scheme.recorded(placed[name]) if name in placed else name
        if name in changed:
            rows.append((path, *_hashed(changed[name])))
        elif path != installer:
            rows.append((path, row.digest, row.size))
    rows += [(scheme.recorded(path), "", "") for name, path in placed.items() if name not in wheel.record]
    text = io.StringIO(newline="")
    csv.writer(text).writerows(sorted(rows))
    return text.getvalue().encode()


def _hashed(content: bytes) -> tuple[str, str]:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"sha256={digest}", str(len(content))
