"""What decides versions: the question, the answer, and what every resolver must be able to do.

A resolver sees one index, which is on this machine and offers what may be locked (`lock.simple`), and decides
versions and nothing else: file names and digests are read from the index afterwards (`lock.wheels`), and who
asks for what from the metadata (`lock.askers`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from mlimage.content.interpreter import Interpreter, Target
from mlimage.errors import ResolveError, reason_of
from mlimage.lock.situation import Situation
from mlimage.process import Completed, Runner
from mlimage.regular import read_file
from mlimage.spec.requirements import exact_version

INPUT: Final = "spec.in"
"""Name of the file that a resolver reads, one requirement to a line; its messages speak of lines in it."""

OUTPUT: Final = "spec.txt"
"""Name of the file that a resolver writes; what stands there before are versions to keep."""


CONSTRAINTS: Final = "constraints.txt"
"""Name of the file with the versions that other variants have."""

_LARGEST: Final = 64 << 20
"""Bytes of an answer; a package has some fifty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a resolver is asked.

    Attributes:
        interpreter: the image's python.
        target: what that python is.
        requirements: one to a line of the input.
        index_url: the only index that counts.
        seeds: versions that are kept where the requirements allow it, by normalized name.
        constraints: versions that a package has if it is there at all, by normalized name.
        upgrade_packages: normalized names among the seeds that are not kept.
        scratch: an empty folder.
    """

    interpreter: Interpreter
    target: Target
    requirements: Sequence[str]
    index_url: str
    seeds: Mapping[str, Version]
    constraints: Mapping[str, Version]
    upgrade_packages: Sequence[str]
    scratch: Path

    @property
    def input(self) -> Path:
        """The file of the requirements."""
        return self.scratch / INPUT

    @property
    def constraint_file(self) -> Path:
        """The file of the constraints, which is there when there are some."""
        return self.scratch / CONSTRAINTS

    @property
    def output(self) -> Path:
        """The file of the answer."""
        return self.scratch / OUTPUT


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One package that a resolver decided on, by its normalized name."""

    name: str
    version: Version


class UnresolvedError(Exception):
    """A resolver found no solution, or failed; its `explain` says why in the user's words."""

    def __init__(self, done: Completed) -> None:
        super().__init__(done.errors)
        self.output = done.text + done.errors


class Resolver(Protocol):
    """A program that resolves.

    Two of them agree on whether there is an answer. Where the newest versions fit together it is the same;
    where they do not, each may take an older version of another package.
    """

    @property
    def name(self) -> str:
        """Its name, as the spec has it."""

    def tools(self, run: Runner) -> Mapping[str, str]:
        """Versions of what resolves, for the record.

        Raises:
            MlimageError: this machine lacks it.
        """

    def pins(self, question: Question, run: Runner) -> tuple[Pin, ...]:
        """The answer, in order of names.

        Raises:
            UnresolvedError: there is none.
        """

    def explain(self, output: str, situation: Situation) -> ResolveError:
        """The error for what it wrote when there was no answer."""


def write_question(question: Question, seeds: Mapping[str, Version]) -> None:
    """Write the files that a resolver reads: the requirements, and the versions to keep if there are any."""
    question.input.write_text("".join(f"{line}\n" for line in question.requirements))
    if question.constraints:
        question.constraint_file.write_text(pinned(question.constraints))
    if seeds:
        question.output.write_text(pinned(seeds))


def pinned(versions: Mapping[str, Version]) -> str:
    """Versions as requirements, one to a line."""
    return "".join(f"{name}=={version}\n" for name, version in sorted(versions.items()))


def read_answer(question: Question) -> str:
    """What a resolver wrote into its file; raises `ResolveError` where that is none.

    It is run by the image's python, which of a base from a registry somebody else made.
    """
    try:
        return read_file(question.output, _LARGEST).decode()
    except (OSError, UnicodeDecodeError) as error:
        why = reason_of(error) if isinstance(error, OSError) else "it is not UTF-8"
        raise ResolveError(f"the resolver's answer cannot be read: {why}") from error


def parse_pins(text: str, *, resolver: str) -> tuple[Pin, ...]:
    """Read what a resolver wrote, `name==version` to a line, and comments (pip-compile has some).

    Args:
        text: what it wrote.
        resolver: its name, for the message.

    Raises:
        ResolveError: a line is something else.
    """
    pins = []
    for line in filter(None, (line.partition("#")[0].strip() for line in text.splitlines())):
        pin = _pin(line)
        if pin is None:
            raise ResolveError(f"{resolver} wrote `{line}`, which is not a pinned package")
        pins.append(pin)
    return tuple(sorted(pins, key=lambda pin: pin.name))


def _pin(line: str) -> Pin | None:
    try:
        requirement = Requirement(line)
    except InvalidRequirement:
        return None
    version = exact_version(requirement) if len(requirement.specifier) == 1 else None
    return Pin(name=canonicalize_name(requirement.name), version=version) if version else None
