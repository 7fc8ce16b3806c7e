"""Import of an environment: what somebody asked for in it, with the versions that are there."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import compat32
from pathlib import Path
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from mlimage.errors import UsageError, reason_of
from mlimage.regular import read_file
from mlimage.spec.accelerated import is_of_accelerator
from mlimage.spec.collected import Collected
from mlimage.spec.import_indexes import pytorch_wheel
from mlimage.spec.imported import Imported

_TOOLS = frozenset({"pip", "setuptools", "wheel", "uv", "distribute"})
_SITES = ("lib/python3.*/site-packages", "lib64/python3.*/site-packages", "Lib/site-packages")
_LARGEST: Final = 16 << 20
"""Bytes of what a package says of itself: with a long description, some hundred kB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """One installed package: `needs` are the normalized names of what it requires, extras aside.

    `place` is where it came from when that is no index; empty when it is one.
    """

    name: str
    version: str
    needs: frozenset[str]
    requested: bool
    place: str = ""


def is_environment(folder: Path) -> bool:
    """Whether a folder is a virtual environment, or conda's, be it a damaged one."""
    return (
        (folder / "pyvenv.cfg").exists()
        or (folder / "conda-meta").is_dir()
        or any(next(folder.glob(site), None) for site in _SITES)
    )


def from_venv(folder: Path) -> Imported:
    """Read an environment's `site-packages`.

    What nothing else in it requires is taken, and what its installer noted as asked for (PEP 376:
    `REQUESTED`); where all is noted so, somebody installed a lock, and the note says nothing.

    Raises:
        UsageError: there is no `site-packages` with packages, or it cannot be read.
    """
    configured = _configuration(folder / "pyvenv.cfg")
    site = _site(folder, configured.get("version", configured.get("version_info", "")))
    collected = Collected()
    collected.python = _python(site, configured)
    try:
        entries = sorted(site.iterdir())
    except OSError as error:
        raise UsageError(f"`{site}` cannot be read: {reason_of(error)}") from error
    installed = []
    for entry in entries:
        if entry.suffix not in {".dist-info", ".egg-info", ".egg-link"}:
            continue
        one = _read(entry)
        if one is None:
            collected.leave_out(
                entry.name,
                "damaged, with no name and version in it; install it anew, or add it to `dependencies:`",
            )
        else:
            installed.append(one)
    if not {one.name for one in installed} - _TOOLS:
        damaged = f" but {len(collected.left_out)} damaged ones" if collected.left_out else ""
        raise UsageError(
            f"`{site}` has no packages{damaged}", hint="install them into it, or name a requirements file"
        )
    if configured.get("include-system-site-packages", "").lower() == "true":
        collected.leave_out(
            "packages of the system's python",
            "are seen by the environment and not in it; add those that it uses to `dependencies:`",
        )
    _take(installed, collected)
    return collected.done()


def _take(installed: list[Installed], collected: Collected) -> None:
    asked = {package.name for package in wanted(installed)}
    brought = 0
    for package in {one.name: one for one in sorted(installed, key=lambda one: one.name)}.values():
        if package.name in asked and package.place:
            collected.leave_out(
                f"{package.name} {package.version}".rstrip(),
                f"installed from {package.place}, which cannot be locked; own code goes into the app folder",
            )
        elif package.name in asked or is_of_accelerator(package.name, package.version):
            collected.add(f"{package.name}=={package.version}")
        elif package.name not in _TOOLS:
            brought += 1
    if brought:
        collected.change(
            f"{brought} packages that others brought" if brought > 1 else "a package that another brought",
            "`mlimage lock` chooses their versions; to keep those of now, import what `pip freeze` writes",
        )


def _configuration(file: Path) -> dict[str, str]:
    """What `pyvenv.cfg` says; nothing where there is none."""
    try:
        text = read_file(file, _LARGEST, follow=True).decode(errors="replace")
    except OSError:
        return {}
    pairs = (line.partition("=") for line in text.splitlines())
    return {key.strip().lower(): value.strip() for key, _, value in pairs}


def _site(folder: Path, version: str) -> Path:
    """The `site-packages` of the environment's own python; an upgraded one may have those of others too."""
    sites = [site for pattern in _SITES for site in sorted(folder.glob(pattern))]
    own = ".".join(version.split(".")[:2])
    chosen = next(
        (site for site in sites if own and site.parent.name == f"python{own}"), sites[0] if sites else None
    )
    if chosen is None:
        raise UsageError(
            f"`{folder}` is an environment whose `lib/python3.X/site-packages` is missing",
            hint="make it anew, or name the requirements file that it was made from",
        )
    return chosen


def _python(site: Path, configured: dict[str, str]) -> str:
    found = re.search(r"python(3\.[0-9]+)$", site.parent.name) or re.match(
        r"(3\.[0-9]+)", configured.get("version", configured.get("version_info", ""))
    )
    return f"=={found.group(1)}.*" if found else ""


def wanted(installed: Iterable[Installed]) -> tuple[Installed, ...]:
    """The packages that bring all others, sorted by name; of a circle of requirements the first by name."""
    packages = {package.name: package for package in sorted(installed, key=lambda one: one.name)}
    needed = {name for package in packages.values() for name in package.needs if name != package.name}
    noted = not all(package.requested for package in packages.values() if package.name not in _TOOLS)
    roots = [
        one
        for one in packages.values()
        if ((noted and one.requested) or one.name not in needed) and one.name not in _TOOLS
    ]
    reached = _reach(roots, packages)
    for package in packages.values():
        if package.name not in reached and package.name not in _TOOLS:
            roots.append(package)
            reached |= _reach([package], packages)
    return tuple(sorted(roots, key=lambda one: one.name))


def _reach(roots: Iterable[Installed], packages: dict[str, Installed]) -> set[str]:
    reached: set[str] = set()
    todo = list(roots)
    while todo:
        package = todo.pop()
        if package.name not in reached:
            reached.add(package.name)
            todo.extend(packages[name] for name in package.needs if name in packages)
    return reached


def _read(info: Path) -> Installed | None:
    """One installed package; None when it is damaged beyond a name and a version."""
    if info.suffix == ".egg-link":
        # What `setup.py develop` leaves in place of a package.
        linked = str(canonicalize_name(info.stem))
        return Installed(name=linked, version="", needs=frozenset(), requested=True, place="a folder")
    file = info / "METADATA" if info.suffix == ".dist-info" else info / "PKG-INFO" if info.is_dir() else info
    try:
        metadata = BytesParser(policy=compat32).parsebytes(
            read_file(file, _LARGEST, follow=True), headersonly=True
        )
    except OSError:
        return None
    name, version = metadata.get("Name"), metadata.get("Version")
    if not name or not version:
        return None
    return Installed(
        name=str(canonicalize_name(str(name))),
        version=str(version),
        needs=frozenset(_needs(map(str, metadata.get_all("Requires-Dist", [])))),
        requested=(info / "REQUESTED").exists(),
        place=_place(info),
    )


def _needs(texts: Iterable[str]) -> Iterable[str]:
    for text in texts:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if "extra" not in str(requirement.marker or ""):
            yield str(canonicalize_name(requirement.name))


def _place(info: Path) -> str:
    """Where a package came from, when that is no index (PEP 610: `direct_url.json`)."""
    try:
        if read_file(info / "INSTALLER", _LARGEST, follow=True).decode().strip() == "conda":
            # It names the folder on the machine that built conda's package.
            return ""
    except (OSError, UnicodeDecodeError):
        pass
    try:
        origin = json.loads(read_file(info / "direct_url.json", _LARGEST, follow=True))
    except (OSError, ValueError, RecursionError):
        return ""
    if not isinstance(origin, dict):
        return ""
    if pytorch_wheel(str(origin.get("url", ""))):
        return ""
    if "vcs_info" in origin:
        return "version control"
    return "a folder" if "dir_info" in origin else "a file"
