"""Import of a virtual environment: what somebody asked for in it, with the versions that are there."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import compat32
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from mlimage.errors import UsageError
from mlimage.spec.imported import Collected, Imported

_TOOLS = frozenset({"pip", "setuptools", "wheel", "uv"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """One installed package: `needs` are the normalized names of what it requires, extras aside."""

    name: str
    version: str
    needs: frozenset[str]
    requested: bool
    local: bool


def from_venv(folder: Path) -> Imported:
    """Read a virtual environment's `site-packages`.

    What nothing else in it requires is taken, and what its installer noted as asked for (PEP 376:
    `REQUESTED`); where all is noted so, somebody installed a lock, and the note says nothing.

    Raises:
        UsageError: there is no `site-packages` with packages.
    """
    sites = sorted(folder.glob("lib*/python3.*/site-packages"))
    installed = [one for site in sites for info in sorted(site.glob("*.dist-info")) if (one := _read(info))]
    if not installed:
        raise UsageError(
            f"`{folder}` has no packages in `lib/python3.X/site-packages`",
            hint="is it a virtual environment?",
        )
    collected = Collected()
    version = re.search(r"python(3\.[0-9]+)$", sites[0].parent.name)
    collected.python = f"=={version.group(1)}.*" if version else ""
    for package in wanted(installed):
        if package.local:
            collected.leave_out(
                f"{package.name} {package.version}", "installed from a place, which cannot be locked"
            )
        else:
            collected.add(f"{package.name}=={package.version}")
    return collected.done()


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
    """One `.dist-info`; None when it is damaged beyond a name and a version."""
    try:
        metadata = BytesParser(policy=compat32).parsebytes((info / "METADATA").read_bytes(), headersonly=True)
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
        local=_is_local(info / "direct_url.json"),
    )


def _needs(texts: Iterable[str]) -> Iterable[str]:
    for text in texts:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if "extra" not in str(requirement.marker or ""):
            yield str(canonicalize_name(requirement.name))


def _is_local(direct_url: Path) -> bool:
    """PEP 610: there when the package came from a URL, a folder or version control."""
    try:
        return isinstance(json.loads(direct_url.read_bytes()), dict)
    except (OSError, ValueError):
        return False
