"""Requirements as the user writes them: one PEP 508 string, or a requirements file of pip's."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from mlimage.errors import Problem
from mlimage.redact import redact_quoted
from mlimage.spec.ownwheel import own_wheels
from mlimage.spec.text import LINE_END, decode_text, read_bytes

_COMMENT: Final = re.compile(r"(^|\s)#.*$")
_INCLUDE: Final = frozenset({"-r", "--requirement"})
_INDEX: Final = frozenset(
    {"-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--trusted-host", "--no-index"}
)
_MOST_FILES: Final = 50
_IN_VARIANTS: Final = "write it into those of the variants that need it"
_OWN_CODE: Final = "put your own code into the app folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecRequirement:
    """One requirement in effect, and where the user wrote it.

    Attributes:
        text: PEP 508.
        place: what it is called in locks and messages: `dependencies`, `train.dependencies`,
            `variants.cuda.dependencies`, `requirements.txt:3`.
        path: file, relative to the project.
        line: line in that file, from 1.
        column: column in that line, from 1.
        variant: the one variant that it is for; None when it is for all.
    """

    text: str
    place: str
    path: str
    line: int
    column: int
    variant: str | None = None

    @property
    def where(self) -> str:
        """Place in the user's file, for errors."""
        return f"{self.path}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a text is not a requirement that mlimage can lock; `offset` is where in the text."""

    message: str
    hint: str
    offset: int = 0

    def redacted(self, text: str) -> "Refusal":
        """The same without the credentials of URLs in that text: messages end in logs."""
        shown = redact_quoted(self.message, [text])
        return replace(self, message=shown, hint=redact_quoted(self.hint, [text]))


def check_requirement(text: str) -> Refusal | None:
    """Judge one PEP 508 string; None when it is good."""
    refusal = _refusal(text)
    return refusal and refusal.redacted(text)


def _refusal(text: str) -> Refusal | None:
    if not text.strip():
        return Refusal(message="an empty requirement", hint="remove it")
    dropped = re.fullmatch(r"\s*-([A-Za-z0-9][A-Za-z0-9._-]*[A-Za-z0-9])\s*", text)
    if dropped:
        return Refusal(
            message=f"`{text.strip()}` would drop a package, and lists of packages only add some",
            hint=f"leave `{dropped[1]}` out of the common `dependencies:`, and {_IN_VARIANTS}",
        )
    location = _location_of(text)
    if location is not None:
        return location
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        return _explain(text, error)
    if requirement.name.lower() == "python":
        return Refusal(
            message="`python` is not a package", hint='name the version of python with `python: "3.11"`'
        )
    machine = re.search(r"platform_(?:release|version)", str(requirement.marker or ""))
    if machine:
        return Refusal(
            message=f"`{machine.group()}` is of the machine that runs the image, unknown when it is locked",
            hint="leave it out of the marker",
            offset=max(text.find(machine.group()), 0),
        )
    return _check_arbitrary(requirement, text)


def exact_version(requirement: Requirement) -> Version | None:
    """The one version that a requirement pins, by `==` or `===`; None where it pins none."""
    for each in requirement.specifier:
        if each.operator in {"==", "==="} and not each.version.endswith(".*"):
            try:
                return Version(each.version)
            except InvalidVersion:  # `===` takes any text
                continue
    return None


def _check_arbitrary(requirement: Requirement, text: str) -> Refusal | None:
    """`===` compares texts, so it takes what no version can be; file names of wheels have versions."""
    for each in requirement.specifier:
        if each.operator == "===":
            try:
                Version(each.version)
            except InvalidVersion:
                return Refusal(
                    message=f"`{each.version}` is not a version, so no wheel has it",
                    hint=f"pin a version, as `{requirement.name}==1.2.3`",
                    offset=max(text.find("==="), 0),
                )
    return None


def _by_location(text: str, name: str) -> Refusal:
    return Refusal(
        message=f"`{text}` names a place instead of a package of an index, and cannot be locked",
        hint=f"write `{name}` with a version that an index has; or build that wheel once: "
        f"{own_wheels([text], [name])}",
        offset=max(text.find("@"), 0),
    )


def _own(place: str) -> str:
    """What to do with code of one's own."""
    named = re.search(r"#(?:.*&)?egg=([A-Za-z0-9._-]+)|([A-Za-z0-9._]+)-[^/]*\.whl$", place)
    name = canonicalize_name(named[1] or named[2]) if named else "NAME"
    return f"{_OWN_CODE}; or build its wheel once: {own_wheels([place], [name])}, and ask for `{name}`"


def _location_of(text: str) -> Refusal | None:
    """Refuse what pip takes besides PEP 508: URLs, version control, files and folders."""
    if re.match(r"(git|hg|svn|bzr)\+", text) or re.match(r"[A-Za-z][A-Za-z0-9+.-]*://|file:", text):
        named = re.search(r"#(?:.*&)?egg=([A-Za-z0-9._-]+)", text)
        return _by_location(text, named.group(1) if named else "NAME")
    if "@" in text and re.match(r"\s*[A-Za-z0-9._-]+\s*(\[[^]]*\])?\s*@", text):
        return _by_location(text, re.split(r"[\s@]", text.strip(), maxsplit=1)[0])
    if text.startswith((".", "/", "~")) or re.search(r"\.(whl|tar\.gz|zip)$", text):
        return Refusal(message=f"`{text}` is a file or a folder, and cannot be locked", hint=_own(text))
    return None


def _explain(text: str, error: InvalidRequirement) -> Refusal:
    """Packaging's message is three lines: the reason, the text, and a marker below the place."""
    reason, *rest = str(error).splitlines()
    marker = rest[-1] if len(rest) >= 2 and re.fullmatch(r"\s*~*\^\s*", rest[-1]) else ""
    offset = min(max(marker.find("^") - 4, 0), len(text)) if marker else 0
    conda = re.fullmatch(r"\s*([A-Za-z0-9._-]+)\s*=\s*([0-9][^=\s]*)(=.*)?", text)
    spaced = re.fullmatch(r"\s*([A-Za-z0-9._-]+)\s+v?([0-9]\S*)", text)
    if conda or spaced:
        name, version = (conda or spaced).group(1, 2)  # type: ignore[union-attr]  # one of them matched
        hint = f"write `{name}=={version}`"
    else:
        hint = "write a name, then versions, as `numpy>=2,<3` or `uvicorn[standard]==0.30.1`"
    return Refusal(
        message=f"`{text}` is not a requirement: {reason[:1].lower()}{reason[1:]}".rstrip("."),
        hint=hint,
        offset=offset,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One logical line of a requirements file: joined at backslashes, without its comment.

    Attributes:
        text: what it says.
        parts: for each line of the file that it is of: its number, its first column in `text`'s terms.
    """

    text: str
    parts: tuple[tuple[int, int], ...]

    def place(self, offset: int = 0) -> tuple[int, int]:
        """Line and column, from 1, of a character of `text`."""
        number, start = next(
            part for part in reversed(self.parts) if part[1] <= offset or part is self.parts[0]
        )
        return number, offset - start + 1


def logical_lines(text: str) -> Iterator[Line]:
    """The lines of a requirements file that say something, as pip joins and strips them."""
    pending = ""
    parts: list[tuple[int, int]] = []
    lines = LINE_END.split(text)
    for number, raw in enumerate(lines, 1):
        parts.append((number, len(pending)))
        # Pip: a comment line ends a continuation, and a backslash inside a comment continues nothing.
        if raw.endswith("\\") and not _COMMENT.search(raw) and number < len(lines):
            pending += raw[:-1]
            continue
        whole = pending + _COMMENT.sub("", raw)
        indent = len(whole) - len(whole.lstrip())
        if whole.strip():
            said = [(line, start - indent) for line, start in parts]
            # Lines before the first word say nothing.
            first = max((index for index, part in enumerate(said) if part[1] <= 0), default=0)
            yield Line(text=whole.strip(), parts=tuple(said[first:]))
        pending = ""
        parts = []


def option_of(text: str) -> tuple[str, str] | None:
    """The name and the argument of a line that is an option of pip's; None for any other line."""
    if not text.startswith("-"):
        return None
    short = re.match(r"(-[A-Za-z])(?!-)\s*=?\s*(.*)$", text, re.DOTALL)
    if short and not text.startswith("--"):
        return short.group(1), short.group(2).strip()
    long = re.match(r"(--[A-Za-z][A-Za-z-]*)(?:\s*=\s*|\s+|$)(.*)$", text, re.DOTALL)
    return (long.group(1), long.group(2).strip()) if long else (text, "")


def read_requirements(
    file: Path, *, folder: Path, shown: str
) -> tuple[tuple[SpecRequirement, ...], tuple[Problem, ...]]:
    """Read a requirements file and the files that it includes.

    Args:
        file: the file, which exists.
        folder: the image's folder, which no included file may leave.
        shown: how messages call `folder`.

    Returns:
        What is required, in order, and all that is wrong; when something is wrong, the first is incomplete.
    """
    reader = _Reader(folder=folder, shown=shown, requirements=[], problems=[], seen=[])
    reader.read(file)
    return tuple(reader.requirements), tuple(reader.problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    folder: Path
    shown: str
    requirements: list[SpecRequirement]
    problems: list[Problem]
    seen: list[Path]

    def read(self, file: Path) -> None:
        self.seen.append(file.resolve())
        name = file.resolve().relative_to(self.folder.resolve()).as_posix()
        path = f"{self.shown}/{name}"
        content, problem = read_bytes(file, path=path)
        if problem:
            self.problems.append(problem)
            return
        text, problem = decode_text(content, path=path)
        if problem:
            self.problems.append(problem)
            return
        for line in logical_lines(text):
            refusal = self._line(file, line, name=name, path=path)
            if refusal:
                refusal = refusal.redacted(line.text)
                number, column = line.place(refusal.offset)
                self.problems.append(
                    Problem(
                        path=path,
                        line=number,
                        column=column,
                        key="",
                        message=refusal.message,
                        hint=refusal.hint,
                    )
                )

    def _line(self, file: Path, line: Line, *, name: str, path: str) -> Refusal | None:
        option = option_of(line.text)
        if option and option[0] in _INCLUDE:
            return self._include(file, option[1])
        if option:
            return _refuse_option(*option)
        if re.search(r"\s--hash[=\s]", line.text):
            return Refusal(
                message="`--hash` has no place here: `mlimage lock` finds and writes the hashes",
                hint="remove the `--hash` options",
                offset=line.text.index("--hash"),
            )
        per_requirement = re.search(r"\s(--[a-z][a-z-]*)", line.text)
        if per_requirement:
            return _refuse_option(per_requirement.group(1), "")
        refusal = check_requirement(line.text)
        if refusal is None:
            number, column = line.place()
            self.requirements.append(
                SpecRequirement(
                    text=line.text, place=f"{name}:{number}", path=path, line=number, column=column
                )
            )
        return refusal

    def _include(self, file: Path, argument: str) -> Refusal | None:
        if not argument:
            return Refusal(message="`-r` without a file", hint="write `-r other.txt`")
        target = file.parent / argument
        try:
            resolved = target.resolve()
            inside = resolved.is_relative_to(self.folder.resolve())
            there = inside and resolved.is_file()
        except (OSError, ValueError, RuntimeError):
            inside, there = True, False
        if not inside:
            return Refusal(
                message=f"`{argument}` is outside the image's folder",
                hint=f"copy the file into `{self.shown}/`, so that the image says all that it needs",
            )
        if not there:
            return Refusal(
                message=f"the file `{argument}` does not exist", hint=f"it is looked for beside `{file.name}`"
            )
        if resolved in self.seen:
            return Refusal(message=f"`{argument}` is included twice", hint="keep one `-r` line for each file")
        if len(self.seen) >= _MOST_FILES:
            return Refusal(
                message=f"more than {_MOST_FILES} files are included", hint="put them into fewer files"
            )
        self.read(target)
        return None


def _refuse_option(option: str, argument: str) -> Refusal:
    if option in _INDEX:
        return Refusal(
            message=f"`{option}` has no place here: where packages come from is said in mlimage.yaml",
            hint="name the index and the packages that come from it under `indexes:`",
        )
    if option in {"-e", "--editable"}:
        return Refusal(
            message=f"`{option} {argument}`".rstrip() + ": an editable package cannot be locked",
            hint=_own(argument) if argument else _OWN_CODE,
        )
    if option in {"-c", "--constraint"}:
        return Refusal(
            message=f"`{option}`: constraints are not read",
            hint="write the versions at the requirements themselves",
        )
    if option == "--pre":
        return Refusal(
            message="`--pre` allows unfinished versions of everything",
            hint="name one where you want it, as `numpy>=2.4.0rc1`",
        )
    return Refusal(
        message=f"the option `{option}` has no place here", hint="remove it; `mlimage lock` decides it"
    )
