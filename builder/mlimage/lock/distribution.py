"""What a wheel or a source archive of mlimage asks for, read out of the file; nothing in it is run."""

import lzma
import tarfile
import tomllib
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from mlimage import DISTRIBUTION
from mlimage.content.interpreter import Target
from mlimage.errors import FetchError, ResolveError
from mlimage.lock.metadata import read_metadata
from mlimage.lock.wheels import accepts

_PROJECT: Final = "pyproject.toml"
_LONGEST: Final = 1 << 20
_BROKEN: Final = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError),
    *(EOFError, OSError, NotImplementedError, RuntimeError, ValueError),
)
"""What reading an archive, or TOML in it, raises where it is something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """What is in the file.

    Attributes:
        name: its normalized name.
        requires_python: specifier that the interpreter must fulfil, if there is one.
        requires: what it needs, and what building it needs (PEP 508).
    """

    name: str
    requires_python: str | None
    requires: tuple[str, ...]

    def needs(self, target: Target) -> tuple[str, ...]:
        """The requirements that are in effect on the target, without markers and extras of its own.

        Raises:
            ResolveError: it is another distribution, is for other pythons, or asks for what no index has.
        """
        if self.name != DISTRIBUTION:
            raise ResolveError(
                f"the file of --mlimage-from is `{self.name}`, not `{DISTRIBUTION}`",
                hint=f"give the URL of a wheel or source archive of `{DISTRIBUTION}`",
            )
        if not accepts(self.requires_python, target.version):
            raise ResolveError(
                f"the `{DISTRIBUTION}` of --mlimage-from needs python `{self.requires_python}`, "
                f"and this is {target.version}",
                hint="CI uses the python that runs `mlimage init`: run it with such a python",
            )
        found = []
        for text in self.requires:
            requirement = _requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({**target.markers, "extra": ""}):
                requirement.marker = None
                found.append(str(requirement))
        return tuple(found)


def read_distribution(path: Path, filename: str) -> Distribution:
    """Read a wheel, or by its name an archive.

    Raises:
        FetchError: the file is neither.
    """
    if filename.endswith(".whl"):
        with path.open("rb") as stream:
            return _of_metadata(read_metadata(stream, filename=filename))
    try:
        content = (_in_zip if filename.endswith(".zip") else _in_tar)(path)
        if content is None:
            raise FetchError(f"`{filename}` has no `{_PROJECT}` in its folder, so pip cannot build it")
        return _of_project(tomllib.loads(content.decode()))
    except _BROKEN as error:
        raise FetchError(f"`{filename}` is not a source archive: {str(error).lower()}") from error


def _of_metadata(content: bytes) -> Distribution:
    from email.parser import BytesHeaderParser

    fields = BytesHeaderParser().parsebytes(content)
    python = fields.get("Requires-Python")
    return Distribution(
        name=canonicalize_name(str(fields.get("Name", ""))),
        requires_python=None if python is None else str(python),
        requires=tuple(map(str, fields.get_all("Requires-Dist", []))),
    )


def _of_project(content: Mapping[str, Any]) -> Distribution:
    """From `[project]` and `[build-system]` (PEP 621, PEP 518); raises `ValueError` for another form."""
    project, build = _table(content, "project"), _table(content, "build-system")
    name, python = project.get("name"), project.get("requires-python")
    dynamic = _texts(project, "dynamic")
    if not isinstance(name, str) or not isinstance(python, str | None) or "dependencies" in dynamic:
        message = f"`{_PROJECT}` does not say under `[project]` what it is and needs"
        raise ValueError(message)
    return Distribution(
        name=canonicalize_name(name),
        requires_python=python,
        requires=(*_texts(project, "dependencies"), *_texts(build, "requires")),
    )


def _table(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = content.get(key, {})
    if not isinstance(found, dict):
        message = f"`{key}` in `{_PROJECT}` is not a table"
        raise ValueError(message)  # noqa: TRY004 - as what is no TOML at all
    return found


def _texts(table: Mapping[str, Any], key: str) -> tuple[str, ...]:
    found = table.get(key, [])
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        message = f"`{key}` in `{_PROJECT}` is not a list of texts"
        raise ValueError(message)
    return tuple(found)


def _in_tar(path: Path) -> bytes | None:
    with tarfile.open(path, "r:gz") as archive:
        for member in archive:
            if _is_project(member.name) and member.isfile() and member.size <= _LONGEST:
                stream = archive.extractfile(member)
                return stream.read() if stream else None
    return None


def _in_zip(path: Path) -> bytes | None:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if _is_project(member.filename) and member.file_size <= _LONGEST:
                return archive.read(member)
    return None


def _is_project(name: str) -> bool:
    """Whether it is in the archive's one folder, where pip looks for it."""
    parts = PurePosixPath(name).parts
    return len(parts) == 2 and parts[1] == _PROJECT


def _requirement(text: str) -> Requirement:
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise ResolveError(f"`{DISTRIBUTION}` asks for `{text}`, which is not a requirement") from error
    if requirement.url is not None:
        raise ResolveError(
            f"`{DISTRIBUTION}` asks for `{requirement.name}` at an address of its own, which cannot be locked"
        )
    return requirement
