"""Assembles a base from Debian packages, without running any of their scripts."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from mlimage.content.alternatives import links
from mlimage.content.deb import DebControl, DebFile, read_deb
from mlimage.content.entry import Entry, Kind, arrange, directory, file_of_bytes, symlink
from mlimage.content.ldcache import library_cache
from mlimage.content.maintainer import Base, alternatives_of, check_scripts, replace_scripts
from mlimage.errors import BuildError
from mlimage.parallel import at_once
from mlimage.platforms import Platform

_MERGED: Final = ("bin", "sbin", "lib", "lib32", "lib64", "libo32", "libx32")
_ALWAYS: Final = ("bin", "sbin", "lib")
_ORIGIN: Final = "the base"
_LEFT_OUT: Final = re.compile(
    r"usr/share/(?:doc(?!-base)|doc-base|groff|info|linda|lintian|locale|man|bug)(?:/|\Z)"
)
"""What Debian's own slim images leave out, and descriptions of how to report bugs."""
_KEPT: Final = re.compile(r"usr/share/doc/[^/]+/copyright[^/]*|usr/share/locale/locale\.alias")
_STATUS: Final = "var/lib/dpkg/status.d"


def assemble(
    debs: Sequence[Path], *, scratch: Path, platform: Platform, jobs: int | None = None
) -> tuple[Entry, ...]:
    """The root file system that these packages make, arranged.

    Documentation, manual pages and translations are left out, copyrights are kept. The bytes stay in the
    folder `scratch`, which must outlive the entries. The order of `debs` does not matter.

    Raises:
        BuildError: a package is damaged or hostile, is for another platform, is given twice or has an unknown
            maintainer script, or two packages have the same file.
    """
    threads = jobs or min(8, os.cpu_count() or 1)
    read = at_once(lambda path: read_deb(path, scratch=scratch), debs, threads=threads, joined=True)
    packages = sorted(read, key=_name)
    controls = [package.control for package in packages]
    _check(controls, platform)
    shipped = _shipped(packages)
    base = Base(entries=shipped, place=_place, platform=platform)
    added: dict[str, Entry] = {entry.path: entry for entry in _skeleton(shipped)}
    for control in controls:
        added |= {entry.path: entry for entry in replace_scripts(control, base)}
        added |= {entry.path: entry for entry in _status(control)}
    registered = (one for control in controls for one in alternatives_of(control, platform))
    for entry in links(registered, base.exists):
        path = _place("/" + entry.path)
        added[path] = replace(entry, path=path)
    whole = {**shipped, **added}
    for entry in library_cache(whole, platform=platform, resolve=lambda path: resolve(whole, path)):
        whole[entry.path] = entry
    return arrange(whole.values())


def resolve(base: Mapping[str, Entry], path: str) -> str | None:
    """The path in `base` without links that an absolute path leads to; None where it leads nowhere."""
    found: list[str] = []
    rest = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    hops = 0
    while rest:
        part = rest.pop()
        if part == "..":
            found[-1:] = []
            continue
        entry = base.get("/".join((*found, part)))
        if entry is not None and entry.kind is Kind.SYMLINK:
            hops += 1
            if hops > 40:
                return None
            if entry.target.startswith("/"):
                found = []
            rest += [step for step in reversed(entry.target.split("/")) if step not in ("", ".")]
            continue
        found.append(part)
    place = "/".join(found)
    return place if place in base else None


def _name(package: DebFile) -> str:
    return package.control.package


def _check(controls: Sequence[DebControl], platform: Platform) -> None:
    for before, control in zip((None, *controls), controls, strict=False):
        if before is not None and before.package == control.package:
            raise BuildError(
                f"`{control.package}` is given twice: `{before.version}` and `{control.version}`"
            )
        if control.architecture not in ("all", platform.debian):
            raise BuildError(
                f"`{control.origin}` is for `{control.architecture}`, not for `{platform.debian}`"
            )
        check_scripts(control)


def _shipped(packages: Iterable[DebFile]) -> dict[str, Entry]:
    """What the packages have, at its place in a merged /usr.

    Raises:
        BuildError: two have the same path, and it is no folder.
    """
    shipped: dict[str, Entry] = {}
    for package in packages:
        for entry in package.entries:
            path = _place("/" + entry.path)
            if (entry.kind is Kind.SYMLINK and path in _MERGED) or _is_left_out(path, entry):
                continue
            other = shipped.get(path)
            if other is None:
                shipped[path] = replace(entry, path=path) if path != entry.path else entry
            elif not (other.kind is Kind.DIRECTORY and entry.kind is Kind.DIRECTORY):
                raise BuildError(
                    f"the Debian packages `{other.origin}` and `{entry.origin}` both have `/{path}`"
                )
    return shipped


def _place(path: str) -> str:
    """Where an absolute path lies when `/bin`, `/lib` and the like are links into `/usr`."""
    relative = path.strip("/")
    top, _, rest = relative.partition("/")
    return f"usr/{relative}" if top in _MERGED and rest else relative


def _is_left_out(path: str, entry: Entry) -> bool:
    if not _LEFT_OUT.match(path) or _KEPT.fullmatch(path):
        return False
    # A package's documentation may be a link to that of another, with the copyright.
    return not (entry.kind is Kind.SYMLINK and path.count("/") == 3 and path.startswith("usr/share/doc/"))


def _skeleton(shipped: Mapping[str, Entry]) -> Iterator[Entry]:
    """The links of the merged /usr, and the folders that every container expects."""
    for name in _MERGED:
        if name in _ALWAYS or any(path.startswith(f"usr/{name}/") for path in shipped):
            yield directory(f"usr/{name}", origin=_ORIGIN)
            yield symlink(name, f"usr/{name}", origin=_ORIGIN)
    for name in ("dev", "proc", "run", "sys", "home", "etc"):
        yield directory(name, origin=_ORIGIN)
    yield directory("root", origin=_ORIGIN, mode=0o700)
    for name in ("tmp", "var/tmp"):
        yield directory(name, origin=_ORIGIN, mode=0o1777)


def _status(control: DebControl) -> Iterator[Entry]:
    """What scanners look for in images without dpkg's database, where distroless images have it."""
    paragraph = control.paragraph.encode()
    yield file_of_bytes(f"{_STATUS}/{control.package}", paragraph, origin=control.origin)
    yield file_of_bytes(f"{_STATUS}/{control.package}.md5sums", control.md5sums, origin=control.origin)
