"""What another tool's file says that an image needs, in the words of a spec, and what has no words there."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from mlimage.errors import UsageError
from mlimage.spec.requirements import check_requirement
from mlimage.spec.text import decode_text, read_bytes

_LEFT_OUT: Final = {
    "pip": "an image has no pip",
    "pkg-resources": "a leftover of Debian's, which no index has",
}
_CUDA: Final = re.compile(r"(nvidia-.+|triton|pytorch-triton|jax-cuda.+|cuda-.+)\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something that was changed or left out: what stood there, and why."""

    text: str
    reason: str

    def __str__(self) -> str:
        return f"{self.text}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What a file says.

    Attributes:
        dependencies: PEP 508, in the order of the file, each once.
        python: version that it asks for, as a specifier (`==3.11.*`, `>=3.9`); empty when it does not say.
        left_out: what could not be carried over.
        changed: what was carried over with a change.
    """

    dependencies: tuple[str, ...] = ()
    python: str = ""
    left_out: tuple[Note, ...] = ()
    changed: tuple[Note, ...] = ()


@dataclass(slots=True, kw_only=True)
class Collected:
    """Takes what a reader finds, one by one; `done` gives the value."""

    python: str = ""
    dependencies: list[str] = field(default_factory=list)
    left_out: list[Note] = field(default_factory=list)
    changed: list[Note] = field(default_factory=list)

    def leave_out(self, text: str, reason: str) -> None:
        """Note what is not carried over."""
        self.left_out.append(Note(text=without_credentials(text), reason=reason))

    def add(self, text: str) -> None:
        """One requirement; what no index can give goes to `left_out` with the reason."""
        local_file = re.match(r"\s*([A-Za-z0-9._-]+)\s*@\s*file:", text)
        if local_file:
            # `pip freeze` in a conda environment writes the files of the machine that built the package.
            self._note_change(text, f"`{local_file.group(1)}`, without the file of that machine")
            text = local_file.group(1)
        refusal = check_requirement(text)
        if refusal:
            reason = refusal.message.removeprefix(f"`{text}` ")
            self.leave_out(text, "names a place, which cannot be locked" if _has_place(text) else reason)
            return
        name = canonicalize_name(Requirement(text).name)
        if name in _LEFT_OUT:
            self.leave_out(text, _LEFT_OUT[name])
        elif _CUDA.match(name):
            self.leave_out(text, "comes with the accelerator's own build of the framework")
        else:
            self._keep(text)

    def _keep(self, text: str) -> None:
        public = re.sub(r"(===?\s*[^,;\s+]+)\+[A-Za-z0-9._]+", r"\1", text)
        if public != text:
            self._note_change(text, f"`{public}`: the part behind `+` is of one index only")
        kept = public.strip()
        if kept not in self.dependencies:
            self.dependencies.append(kept)

    def _note_change(self, text: str, becomes: str) -> None:
        self.changed.append(Note(text=without_credentials(text.strip()), reason=f"became {becomes}"))

    def done(self) -> Imported:
        """What was collected."""
        return Imported(
            dependencies=tuple(self.dependencies),
            python=self.python,
            left_out=tuple(self.left_out),
            changed=tuple(self.changed),
        )


def _has_place(text: str) -> bool:
    return "://" in text or "@" in text or text.startswith((".", "/"))


def without_credentials(text: str) -> str:
    """The text with no user name or password in its URLs: it ends in files and logs."""
    return re.sub(r"://[^/@\s]*@", "://…@", text)


def names_of(dependencies: Iterable[str]) -> frozenset[str]:
    """The normalized names of PEP 508 requirements."""
    names = set()
    for text in dependencies:
        try:
            names.add(str(canonicalize_name(Requirement(text).name)))
        except InvalidRequirement:
            continue
    return frozenset(names)


def read_text(file: Path) -> str:
    """The text of a file that the user names; raises `UsageError` when it is none."""
    content, problem = read_bytes(file, path=str(file))
    text = ""
    if problem is None:
        text, problem = decode_text(content, path=str(file))
    if problem:
        raise UsageError(
            problem.message, where=f"{problem.path}:{problem.line}:{problem.column}", hint=problem.hint
        )
    return text
