"""The errors that mlimage raises on purpose: what, where in the user's file, and what to type next.

A foreign exception is translated into one of these once, at the boundary where it appears.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar


class MlimageError(Exception):
    """Base of all errors that a user may see.

    Args:
        message: what is wrong; lower case, names in backticks, no final full stop.
        where: place in the user's file, as ``path`` or ``path:line:column``.
        hint: the next thing to do or type.
    """

    exit_status: ClassVar[int] = 1

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class MlimageWarning(UserWarning):
    """What a user should know though the work goes on; `warnings.warn` takes it to whoever tells them."""


class UsageError(MlimageError):
    """The command line asks for something that cannot be."""

    exit_status = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong in a spec, at a place in the user's file (lines and columns count from 1)."""

    path: str
    line: int
    column: int
    key: str
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        return f"{self.path}:{self.line}:{self.column}: {key}{self.message}"


class SpecError(MlimageError):
    """A spec is wrong; carries every problem that was found, in file order."""

    exit_status = 3

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda p: (p.path, p.line, p.column, p.key, p.message)))
        lines: list[str] = []
        for problem in self.problems:
            lines.append(str(problem))
            if problem.hint:
                lines.append(f"  hint: {problem.hint}")
        super().__init__("\n".join(lines))


class LockError(MlimageError):
    """A lock is missing, stale or unreadable, or wrong about a file that it names."""

    exit_status = 4


class ResolveError(MlimageError):
    """The requirements have no solution, or none that can be locked."""

    exit_status = 5


class FetchError(MlimageError):
    """Something could not be fetched, or what came has another hash than the lock says."""

    exit_status = 6


class BuildError(MlimageError):
    """The image could not be built, or differs from what was recorded."""

    exit_status = 7


class VerificationError(MlimageError):
    """The image does not compute, or is not, what it should."""

    exit_status = 8


class RegistryError(MlimageError):
    """A registry refused, answered wrong, or has no space left."""

    exit_status = 9


class RunError(MlimageError):
    """The image could not be run on this machine, or did not become healthy; the container engine refused."""

    exit_status = 10


class FindingError(MlimageError):
    """A look into something found what must not go out: secrets, packages with known vulnerabilities."""

    exit_status = 12


def together(errors: Sequence[MlimageError], what: str) -> MlimageError:
    """One error that says all of these, each with its hint; a single one as it is.

    Args:
        errors: at least one; the first decides the exit status.
        what: how many of what failed.
    """
    first, *more = errors
    if not more:
        return first
    texts = [f"{error}\n  hint: {error.hint}" if error.hint else str(error) for error in errors]
    kind = UsageError if isinstance(first, SpecError) else type(first)
    return kind("\n".join([f"{what}:", *dict.fromkeys(texts)]))


def reason_of(error: OSError) -> str:
    """Why the machine refused, in the grammar of messages: `permission denied`."""
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:]
