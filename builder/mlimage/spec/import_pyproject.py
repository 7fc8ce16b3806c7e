"""Import of a `pyproject.toml`: what PEP 621 says, and what poetry, uv and pdm say besides."""

import re
import tomllib
from pathlib import Path
from typing import Any

from packaging.markers import InvalidMarker, Marker
from packaging.utils import canonicalize_name

from mlimage.errors import UsageError
from mlimage.spec.collected import Collected
from mlimage.spec.import_indexes import pytorch_wheel
from mlimage.spec.import_poetry import OPTIONAL, PLACES, add_poetry
from mlimage.spec.import_requirements import LinesReader
from mlimage.spec.imported import IMPORTS, Imported, read_text
from mlimage.spec.tables import entries_of, list_of, table_of

_ACCELERATOR = re.compile(r"(?P<cpu>cpu)|(?P<cuda>cuda\d*|cu\d{2,3}|gpu)|(?P<rocm>rocm[\d.]*)\Z")
_LINUX = {
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "os_name": "posix",
    "extra": "",
}
_DEFAULT_GROUP = (
    "uv installs it by default (`default-groups`), an image does not; copy from it what the image needs"
)


def from_pyproject(file: Path) -> Imported:
    """Read a `pyproject.toml`.

    Raises:
        UsageError: the file cannot be read, is no TOML, or says nothing of dependencies.
    """
    document = _read(file)
    project, poetry = table_of(document, "project"), table_of(document, "tool", "poetry")
    if not project and not poetry:
        raise UsageError(
            f"`{file}` has neither `[project]` nor `[tool.poetry]`",
            hint="import a requirements file, or a virtual environment",
        )
    collected = Collected(python=str(project.get("requires-python", "")))
    _uv(table_of(document, "tool", "uv"), collected)
    _pdm(table_of(document, "tool", "pdm"), collected)
    _project(project, collected)
    if "dependencies" in list_of(project.get("dynamic")):
        _dynamic(document, collected, file=file)
    add_poetry(poetry, collected, besides_project=bool(project.get("dependencies")))
    _groups(document, collected)
    return collected.done()


def _read(file: Path) -> dict[str, Any]:
    text = read_text(file)
    if not text.strip():
        raise UsageError(f"`{file}` is empty", hint=IMPORTS)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        place = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)\Z", message)
        reason = message[: place.start()] if place else message
        lines = text.splitlines()
        line, column = (place[1], place[2]) if place and place[1] else (len(lines), len(lines[-1]) + 1)
        raise UsageError(
            f"not TOML: {reason[:1].lower()}{reason[1:]}".replace("'", "`"), where=f"{file}:{line}:{column}"
        ) from error


def _project(project: dict[str, Any], collected: Collected) -> None:
    for text in list_of(project.get("dependencies")):
        collected.add(str(text))
    for extra, texts in table_of(project, "optional-dependencies").items():
        # uv's guide for PyTorch has an extra for each accelerator.
        found = _ACCELERATOR.fullmatch(extra)
        if found and found.lastgroup:
            collected.change(
                f"the extra {extra}", f"became what the variant `{found.lastgroup}` has of its own"
            )
            for text in list_of(texts):
                collected.add(str(text), found.lastgroup)
        else:
            listed = ", ".join(map(str, list_of(texts)))
            collected.leave_out(f"the extra {extra} ({listed})", OPTIONAL)


def _dynamic(document: dict[str, Any], collected: Collected, *, file: Path) -> None:
    """Dependencies that the build backend reads from files, where it says which."""
    files = [
        *_files(table_of(document, "tool", "setuptools", "dynamic", "dependencies").get("file")),
        *_files(table_of(document, "tool", "hatch", "metadata", "hooks", "requirements_txt").get("files")),
    ]
    if not files:
        collected.leave_out(
            "dynamic dependencies",
            "only the project's build backend knows them; import a virtual environment that has the project",
        )
        return
    reader = LinesReader(collected=collected)
    for name in files:
        reader.take(f"-r {name}", file=file)
    reader.tell_hashes()


def _files(value: object) -> list[str]:
    return [value] if isinstance(value, str) else [str(one) for one in list_of(value)]


def _groups(document: dict[str, Any], collected: Collected) -> None:
    """Groups that no image needs unless somebody says so (PEP 735, and those of uv and pdm before it)."""
    groups = {
        **table_of(document, "dependency-groups"),
        **table_of(document, "tool", "pdm", "dev-dependencies"),
    }
    defaults = table_of(document, "tool", "uv").get("default-groups")
    by_default = {canonicalize_name(str(one)) for one in (groups if defaults == "all" else list_of(defaults))}
    for group, texts in groups.items():
        listed = ", ".join(str(one) for one in list_of(texts) if isinstance(one, str))
        collected.leave_out(
            f"the group {group} ({listed})",
            _DEFAULT_GROUP if canonicalize_name(group) in by_default else OPTIONAL,
        )
    dev = list_of(table_of(document, "tool", "uv").get("dev-dependencies"))
    if dev:
        collected.leave_out(f"uv's dev-dependencies ({', '.join(map(str, dev))})", OPTIONAL)
    for packages in ("dependencies", "pypi-dependencies"):
        names = table_of(document, "tool", "pixi", packages)
        if names:
            collected.leave_out(
                f"pixi's {packages} ({', '.join(names)})",
                "`pixi workspace export conda-environment` writes a file that can be imported",
            )


def _uv(uv: dict[str, Any], collected: Collected) -> None:
    indexes = {str(one.get("name")): str(one.get("url", "")) for one in entries_of(uv.get("index"))}
    bound: set[str] = set()
    for name, value in table_of(uv, "sources").items():
        for entry in entries_of(value):
            place = PLACES & entry.keys()
            if not _on_linux(entry.get("marker")):
                continue
            wheel = str(entry.get("url", ""))
            if pytorch_wheel(wheel):
                collected.add(f"{name} @ {wheel}")
            elif place:
                collected.skip(name, f"{name} = {entry[min(place)]}", min(place))
            elif entry.get("index") in indexes:
                index = str(entry["index"])
                bound.add(index)
                collected.bind(index, indexes[index], name)
    for one in entries_of(uv.get("index")):
        name, url = str(one.get("name")), str(one.get("url", ""))
        if name not in bound and url:
            collected.add_index(url, f"index {name} {url}", default=bool(one.get("default")))
    for option in ("index-url", "extra-index-url", "find-links"):
        for url in _files(uv.get(option)):
            collected.add_index(url, f"{option} {url}", default=option == "index-url")
    for text in list_of(uv.get("constraint-dependencies")):
        collected.constrain(str(text), source="constraint-dependencies")
    for text in list_of(uv.get("override-dependencies")):
        collected.leave_out(
            f"override-dependencies: {text}",
            "what packages ask for cannot be overridden; write a version that all take",
        )


def _on_linux(marker: object) -> bool:
    """Whether an entry is for what images are: uv has one entry for each system."""
    if not marker:
        return True
    try:
        return Marker(str(marker)).evaluate(_LINUX)
    except InvalidMarker:
        return True


def _pdm(pdm: dict[str, Any], collected: Collected) -> None:
    for source in entries_of(pdm.get("source")):
        name, url = str(source.get("name", "")), str(source.get("url", ""))
        packages = [str(one) for one in list_of(source.get("include_packages"))]
        named = [one for one in packages if not re.search(r"[*?\[]", one)]
        for package in named:
            collected.bind(name, url, package)
        if url and (not named or len(named) < len(packages)):
            collected.add_index(url, f"source {name} {url}", default=name == "pypi")
    for text in list_of(table_of(pdm, "resolution").get("overrides")):
        collected.leave_out(f"pdm's override {text}", "what packages ask for cannot be overridden")
