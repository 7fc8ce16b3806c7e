"""What another tool's file says that an image needs, in the words of a spec, and what has no words there."""

import codecs
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from mlimage.errors import UsageError
from mlimage.spec.requirements import exact_version
from mlimage.spec.text import decode_text, read_bytes

IMPORTS: Final = "name a requirements.txt, environment.yml, pyproject.toml or the folder of a virtual env"
"""The kinds of sources that there are."""

_BOMS: Final = (
    # UTF-32's begins as UTF-16's does.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something that was changed or left out: what stood there, and why, with what to do about it."""

    text: str
    reason: str

    def __str__(self) -> str:
        return f"{self.text}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedIndex:
    """A package index, and the packages that come from it."""

    name: str
    url: str
    packages: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedVariant:
    """What one accelerator has besides the rest."""

    name: str
    dependencies: tuple[str, ...] = ()
    indexes: tuple[ImportedIndex, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What a file says.

    Attributes:
        dependencies: PEP 508, in the order of the file, each once.
        python: version that it asks for, as a specifier (`==3.11.*`, `>=3.9`); empty when it does not say.
        indexes: those whose packages the file names.
        variants: one for each accelerator; none when nothing in the file is of any.
        left_out: what could not be carried over.
        changed: what was carried over with a change.
    """

    dependencies: tuple[str, ...] = ()
    python: str = ""
    indexes: tuple[ImportedIndex, ...] = ()
    variants: tuple[ImportedVariant, ...] = ()
    left_out: tuple[Note, ...] = ()
    changed: tuple[Note, ...] = ()


def names_of(dependencies: Iterable[str]) -> frozenset[str]:
    """The normalized names of PEP 508 requirements."""
    names = set()
    for text in dependencies:
        try:
            names.add(str(canonicalize_name(Requirement(text).name)))
        except InvalidRequirement:
            continue
    return frozenset(names)


def read_source(file: Path) -> bytes:
    """The bytes of a file that the user names, as UTF-8; raises `UsageError` when it is no text.

    Windows' shells write UTF-16, with its mark, where others write UTF-8; pip reads both, and so does this.
    """
    content, problem = read_bytes(file, path=str(file))
    if problem:
        raise UsageError(problem.message, where=str(file), hint=problem.hint)
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            try:
                content = content.decode(encoding).encode()
            except UnicodeError as error:
                message = f"it begins as {encoding.upper()} and goes on otherwise"
                raise UsageError(message, where=str(file), hint="save it as UTF-8") from error
            break
    if b"\0" in content:
        raise UsageError("it is no text", where=str(file), hint=IMPORTS)
    return content


def read_text(file: Path) -> str:
    """The text of a file that the user names; raises `UsageError` when it is none."""
    text, problem = decode_text(read_source(file), path=str(file))
    if problem:
        place = f"{problem.path}:{problem.line}:{problem.column}"
        raise UsageError(problem.message, where=place, hint=problem.hint)
    return text


def merged(requirement: Requirement, constraint: Requirement) -> Requirement | None:
    """A requirement with the versions of a constraint; None when it has them already."""
    if requirement.specifier & constraint.specifier == requirement.specifier:
        return None
    narrowed = Requirement(str(requirement))
    exact = exact_version(constraint)
    narrowed.specifier = (
        constraint.specifier
        if exact and requirement.specifier.contains(exact, prereleases=True)
        else requirement.specifier & constraint.specifier
    )
    return narrowed
