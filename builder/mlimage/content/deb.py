"""Reads a Debian package: its control fields, its scripts, and its files as entries.

The format is deb(5): an `ar` archive of `debian-binary`, `control.tar.*` and `data.tar.*`. Nothing in a
package is trusted: what could write outside the root, or is no file, folder or link, is refused by name.
"""

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from mlimage.atomic import writing
from mlimage.content.ar import Member, read_members
from mlimage.content.entry import Entry, Kind
from mlimage.content.inflate import inflate, open_part
from mlimage.content.tarball import read_entries
from mlimage.digest import Digest
from mlimage.errors import BuildError

_SCRIPTS: Final = frozenset({"preinst", "postinst", "prerm", "postrm", "config"})
_CONTROL_LIMIT: Final = 32 << 20
_DATA_LIMIT: Final = 8 << 30
_UNDECLARED: Final = 256 << 20
"""Bytes that a package may unpack to without declaring an Installed-Size."""
_SLACK: Final = 64 << 20
_FIELD: Final = re.compile(r"([!-9;-~]+):[ \t]*(.*)", re.ASCII)
_PACKAGE: Final = re.compile(r"[a-z0-9][a-z0-9+.-]+", re.ASCII)
_VERSION: Final = re.compile(r"[0-9][A-Za-z0-9.+:~-]*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class DebControl:
    """What a package says about itself.

    Attributes:
        fields: the control paragraph; continuation lines are joined with newlines.
        paragraph: the same as it stands in the package, with one final newline.
        scripts: maintainer scripts by name (`postinst`, …).
        md5sums: its file of that name; empty when there is none.
    """

    fields: Mapping[str, str]
    paragraph: str
    scripts: Mapping[str, bytes]
    md5sums: bytes = b""

    @property
    def package(self) -> str:
        """Name of the package."""
        return self.fields["Package"]

    @property
    def version(self) -> str:
        """Debian version, with epoch."""
        return self.fields["Version"]

    @property
    def architecture(self) -> str:
        """Debian architecture, or `all`."""
        return self.fields["Architecture"]

    @property
    def origin(self) -> str:
        """How messages name it."""
        return f"{self.package} {self.version}"

    def script(self, name: str) -> Digest | None:
        """Digest of a maintainer script; None when it has none of this name.

        The package's own version counts as `{version}` in it: glibc's scripts name theirs, and do the same in
        every update.
        """
        script = self.scripts.get(name)
        return None if script is None else Digest.of(script.replace(self.version.encode(), b"{version}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class DebFile:
    """A package whose files can be read in any order and again while the scratch folder is there."""

    control: DebControl
    entries: tuple[Entry, ...]


def read_control(path: Path) -> DebControl:
    """Control fields and scripts of a package; its files are not unpacked.

    Raises:
        BuildError: it is no sound package; the message names the file.
    """
    with path.open("rb") as stream, _about(str(path)):
        return _read_control(path, *_members(stream)[0])


def read_deb(path: Path, *, scratch: Path) -> DebFile:
    """The whole package. Its data is unpacked once, into one file of `scratch` where the bytes stay.

    Raises:
        BuildError: it is no sound package, or has an entry that no image may have; the message names it.
    """
    with path.open("rb") as stream, _about(str(path)):
        (control_member, control_compression), (data, compression) = _members(stream)
        control = _read_control(path, control_member, control_compression)
    with _about(control.origin):
        descriptor, name = tempfile.mkstemp(prefix=f"{control.package}-", suffix=".tar", dir=scratch)
        with os.fdopen(descriptor, "wb") as spool, open_part(path, data.offset, data.size) as packed:
            inflate(packed, compression, spool.write, limit=_limit(control))
        return DebFile(control=control, entries=read_entries(Path(name), origin=control.origin))


@contextmanager
def _about(name: str) -> Iterator[None]:
    try:
        yield
    except BuildError as error:
        raise BuildError(f"`{name}` is refused: {error.message}", hint=error.hint) from None


def _members(stream: BinaryIO) -> tuple[tuple[Member, str], tuple[Member, str]]:
    """The control and the data member, each with its compression."""
    members = read_members(stream)
    known = [member for member in members if not member.name.startswith("_")]
    if not known or known[0].name != "debian-binary":
        raise BuildError("it is no Debian package: it does not begin with `debian-binary`")
    stream.seek(known[0].offset)
    version = stream.read(min(known[0].size, 16))
    if not version.startswith(b"2."):
        raise BuildError(
            f"its format `{version.decode('ascii', 'replace').strip()}` is not known, only `2.0` is"
        )
    names = [member.name for member in known[1:]]
    parts = [name.split(".tar") for name in names]
    if [part[0] for part in parts] != ["control", "data"] or any(len(part) != 2 for part in parts):
        found = ", ".join(f"`{name}`" for name in names)
        raise BuildError(f"it has the parts {found or 'none'} instead of `control.tar` and `data.tar`")
    return (known[1], parts[0][1].removeprefix(".")), (known[2], parts[1][1].removeprefix("."))


def _limit(control: DebControl) -> int:
    """Installed-Size is KiB, each file rounded up; of 1,283 packages none had a tar 1.3 times as large."""
    declared = control.fields.get("Installed-Size", "")
    if not declared.isdecimal():
        return _UNDECLARED
    return min(_DATA_LIMIT, 2048 * int(declared) + _SLACK)


def _read_control(path: Path, member: Member, compression: str) -> DebControl:
    with (
        tempfile.TemporaryFile() as spool,  # without a name: nothing stays, however the process ends
        writing(tempfile.gettempdir()),
        open_part(path, member.offset, member.size) as packed,
    ):
        inflate(packed, compression, spool.write, limit=_CONTROL_LIMIT)
        spool.flush()
        files = {
            entry.path: _content(entry)
            for entry in read_entries(Path(f"/proc/self/fd/{spool.fileno()}"), origin="control")
            if entry.kind is Kind.FILE
        }
    try:
        paragraph = files["control"].decode().strip("\n") + "\n"
    except KeyError:
        raise BuildError("it has no `control` file") from None
    except UnicodeDecodeError:
        raise BuildError("its `control` file is no UTF-8") from None
    return DebControl(
        fields=_fields(paragraph),
        paragraph=paragraph,
        scripts={name: content for name, content in files.items() if name in _SCRIPTS},
        md5sums=files.get("md5sums", b""),
    )


def _content(entry: Entry) -> bytes:
    if entry.open is None:  # pragma: no cover - every file has it
        raise AssertionError
    with entry.open() as stream:
        return stream.read()


def _fields(paragraph: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    name = ""
    for line in paragraph.splitlines():
        if line[:1] in (" ", "\t") and name:
            fields[name] += "\n" + line[1:]
            continue
        match = _FIELD.fullmatch(line)
        if match is None or match[1] in fields:
            raise BuildError(
                f"its `control` file has the line `{line[:80]}`, which is no field or one given twice"
            )
        name = match[1]
        fields[name] = match[2].rstrip()
    for required, form in (("Package", _PACKAGE), ("Version", _VERSION), ("Architecture", _PACKAGE)):
        if not form.fullmatch(fields.get(required, "")):
            raise BuildError(f"its `control` file has no sound `{required}` field")
    return fields
