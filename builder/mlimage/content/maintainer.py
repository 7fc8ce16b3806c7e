"""What a base gets instead of running the maintainer scripts of its packages: `maintainer.toml`, applied."""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from mlimage.content.accounts import accounts
from mlimage.content.alternatives import Alternative, Slave
from mlimage.content.authorities import SOURCE, certificates
from mlimage.content.deb import DebControl
from mlimage.content.entry import Entry, Kind, directory, file_of_bytes, symlink
from mlimage.digest import Digest
from mlimage.errors import BuildError
from mlimage.platforms import Platform

_TABLE: Final = Path(__file__).with_suffix(".toml")
_CHECKED: Final = ("preinst", "postinst")


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """A row of the table: what stands for a package's scripts; the head of the table explains the fields."""

    package: str
    does: str
    scripts: frozenset[Digest]
    folders: tuple[str, ...]
    files: Mapping[str, str]
    copies: Mapping[str, str]
    links: Mapping[str, str]
    alternatives: tuple[tuple[str, ...], ...]
    handler: str | None


@cache
def replacements() -> Mapping[str, tuple[Replacement, ...]]:
    """The table: one row or more for each package, which differ where releases of Debian do."""
    table = tomllib.loads(_TABLE.read_text("utf-8"))
    return {package: tuple(_replacement(package, row) for row in rows) for package, rows in table.items()}


def check_script(script: Digest, package: str) -> None:
    """Whether mlimage knows what this maintainer script (preinst or postinst) of this package does.

    Raises:
        BuildError: it does not; the message names package and digest.
    """
    rows = replacements().get(package, ())
    if not any(script in row.scripts for row in rows):
        known = "only other versions of it are known" if rows else "none of its scripts is known"
        raise BuildError(
            f"the Debian package `{package}` has the maintainer script `{script}`, and {known}",
            hint="mlimage never runs these scripts: leave what needs it out of `base.packages`",
        )


def check_scripts(control: DebControl) -> None:
    """`check_script` for each script that dpkg would run when it installs the package."""
    for script in _scripts(control):
        check_script(script, control.package)


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What the packages of a base have shipped.

    Attributes:
        entries: by path.
        place: the path in `entries` of an absolute path, whose folders may be links of the merged /usr.
        platform: of the base.
    """

    entries: Mapping[str, Entry]
    place: Callable[[str], str]
    platform: Platform

    def exists(self, path: str) -> bool:
        """Whether a package has this absolute path, be it a link that leads nowhere."""
        return self.place(path) in self.entries

    def content(self, path: str) -> bytes:
        """Bytes of the file at this absolute path.

        Raises:
            BuildError: no package has it.
        """
        entry = self.entries.get(self.place(path))
        if entry is None or entry.open is None:
            raise BuildError(f"the base has no file `{path}`, which one of its packages needs")
        with entry.open() as stream:
            return stream.read()


def replace_scripts(control: DebControl, base: Base) -> Iterator[Entry]:
    """The entries that stand for what the package's scripts would do, but for its alternatives."""
    row = _row(control)
    if row is None:
        return
    origin = control.origin
    for folder in row.folders:
        path, *rest = folder.split()
        mode, gid = int(rest[0], 8) if rest else 0o755, int(rest[1]) if len(rest) > 1 else 0
        yield directory(base.place(path), origin=origin, mode=mode, gid=gid)
    for path, text in row.files.items():
        yield file_of_bytes(base.place(path), text.encode(), origin=origin)
    for path, source in row.copies.items():
        yield file_of_bytes(base.place(path), base.content(source), origin=origin)
    for path, target in row.links.items():
        yield symlink(base.place(path), target, origin=origin)
    if row.handler is not None:
        yield from _HANDLERS[row.handler](base, origin)


def alternatives_of(control: DebControl, platform: Platform) -> Iterator[Alternative]:
    """What the package's scripts would register with update-alternatives."""
    row = _row(control)
    for master, *slaves in row.alternatives if row is not None else ():
        link, name, target, priority = master.replace("{multiarch}", platform.multiarch).split()
        yield Alternative(
            link=link,
            name=name,
            target=target,
            priority=int(priority),
            slaves=tuple(_slave(slave.replace("{multiarch}", platform.multiarch)) for slave in slaves),
            origin=control.origin,
        )


def _scripts(control: DebControl) -> tuple[Digest, ...]:
    found = (control.script(name) for name in _CHECKED)
    return tuple(script for script in found if script is not None)


def _row(control: DebControl) -> Replacement | None:
    """The row for a package whose scripts are known; None for one without scripts."""
    scripts = frozenset(_scripts(control))
    rows = replacements().get(control.package, ())
    return next((row for row in rows if scripts and scripts <= row.scripts), None)


def _replacement(package: str, row: Mapping[str, Any]) -> Replacement:
    return Replacement(
        package=package,
        does=row["does"],
        scripts=frozenset(Digest.from_hex(digits) for digits in row["scripts"]),
        folders=tuple(row.get("folders", ())),
        files=row.get("files", {}),
        copies=row.get("copies", {}),
        links=row.get("links", {}),
        alternatives=tuple(tuple(line) for line in row.get("alternatives", ())),
        handler=row.get("handler"),
    )


def _slave(text: str) -> Slave:
    link, name, target = text.split()
    return Slave(link=link, name=name, target=target)


def _accounts(base: Base, origin: str) -> Iterator[Entry]:
    folder = "/usr/share/base-passwd"
    passwd, group = base.content(f"{folder}/passwd.master"), base.content(f"{folder}/group.master")
    return accounts(passwd.decode(), group.decode(), origin=origin)


def _certificates(base: Base, origin: str) -> Iterator[Entry]:
    files = [
        (path.removeprefix(SOURCE), base.content("/" + path))
        for path, entry in base.entries.items()
        if path.startswith(SOURCE) and path.endswith(".crt") and entry.kind is Kind.FILE
    ]
    return certificates(files, origin=origin)


def _shells(base: Base, origin: str) -> Iterator[Entry]:
    """`/etc/shells` as update-shells(8) writes it: each shell by both of its paths in a merged /usr."""
    lines = base.content("/usr/share/debianutils/shells").decode().splitlines()
    prefix = "usr/share/debianutils/shells.d/"
    for path in sorted(base.entries):
        if not path.startswith(prefix) or base.entries[path].kind is not Kind.FILE:
            continue
        for shell in base.content("/" + path).decode().split():
            plain = shell.removeprefix("/usr")
            lines += [name for name in (plain, "/usr" + plain) if name not in lines]
    yield file_of_bytes("etc/shells", "".join(f"{line}\n" for line in lines).encode(), origin=origin)


_HANDLERS: Final[Mapping[str, Callable[[Base, str], Iterator[Entry]]]] = {
    "accounts": _accounts,
    "certificates": _certificates,
    "shells": _shells,
}
