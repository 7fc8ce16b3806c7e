"""The files and folders that a spec names: they exist, and they are inside the image's folder."""

from dataclasses import dataclass
from pathlib import Path

from mlimage.errors import Problem
from mlimage.spec.explain import place
from mlimage.spec.ignore import ignore_lines
from mlimage.spec.nodes import Mapping, Scalar, Sequence, at, text_at
from mlimage.spec.nodes import Path as Steps
from mlimage.spec.requirements import SpecRequirement, read_requirements
from mlimage.spec.text import decode_text, read_bytes

DOCKERIGNORE = ".dockerignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A user's template of a Dockerfile: its path in the project, for messages, and its text."""

    path: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedFiles:
    """What the files say, and what is wrong with them."""

    requirements: tuple[SpecRequirement, ...]
    ignore: tuple[str, ...]
    template: Template | None
    problems: tuple[Problem, ...]


def named_files(root: Mapping, folder: Path, *, shown: str) -> NamedFiles:
    """Read what the document names, as far as its keys are of the right kind.

    Args:
        root: the document.
        folder: the image's folder.
        shown: how messages call it.
    """
    problems: list[Problem] = []
    requirements: tuple[SpecRequirement, ...] = ()
    named = text_at(root, ("requirements",))
    if named and _is_inside(named):
        found = _find(root, ("requirements",), named, folder, shown, problems, a_folder=False)
        if found:
            requirements, wrong = read_requirements(found, folder=folder, shown=shown)
            problems += wrong
    source = text_at(root, ("app", "source")) if at(root, ("app", "source")) else "app"
    ignore: tuple[str, ...] = ()
    if source and _is_inside(source):
        found = _find(root, ("app", "source"), source, folder, shown, problems, a_folder=True)
        if found:
            ignore = ignored_by(root, found, f"{shown}/{source}", problems)
    return NamedFiles(
        requirements=requirements,
        ignore=ignore,
        template=_template(root, folder, shown, problems),
        problems=tuple(problems),
    )


def _template(root: Mapping, folder: Path, shown: str, problems: list[Problem]) -> Template | None:
    steps = ("dockerfile", "template")
    named = text_at(root, steps)
    if not named or not _is_inside(named):
        return None
    found = _find(root, steps, named, folder, shown, problems, a_folder=False)
    if not found:
        return None
    path = f"{shown}/{named}"
    content, problem = read_bytes(found, path=path)
    text = ""
    if problem is None:
        text, problem = decode_text(content, path=path)
    if problem:
        problems.append(problem)
    return Template(path=path, text=text)


def _is_inside(path: str) -> bool:
    """Whether the model takes it; what it refuses is not looked at."""
    return (
        bool(path.strip())
        and not path.startswith(("/", "~"))
        and "\\" not in path
        and ".." not in path.split("/")
    )


def _find(
    root: Mapping,
    steps: Steps,
    named: str,
    folder: Path,
    shown: str,
    problems: list[Problem],
    *,
    a_folder: bool,
) -> Path | None:
    path = folder / named
    kind = "folder" if a_folder else "file"
    message: str | None = None
    hint: str | None = None
    try:
        if not (path.is_dir() if a_folder else path.is_file()):
            exists = path.exists()
            message = f"`{named}` is no {kind}" if exists else f"the {kind} `{named}` does not exist"
            hint = f"it is looked for in `{shown}/`" + (
                "; name another with `app: {source: …}`" if a_folder and not at(root, steps) else ""
            )
        elif not path.resolve().is_relative_to(folder.resolve()):
            message = f"`{named}` is a link out of the image's folder"
            hint = "copy what it leads to, so that the folder says all that the image needs"
    except (OSError, ValueError, RuntimeError) as error:
        message = f"`{named}` cannot be looked at: {error}"
    if message is None:
        return path
    line, column = place(root, steps)
    key = ".".join(map(str, steps))
    problems.append(
        Problem(path=f"{shown}/mlimage.yaml", line=line, column=column, key=key, message=message, hint=hint)
    )
    return None


def ignored_by(root: Mapping, source: Path, shown: str, problems: list[Problem]) -> tuple[str, ...]:
    """The patterns of what stays out of the application: the spec's, or those beside it.

    Args:
        root: the document.
        source: the application's folder.
        shown: how messages call that.
        problems: gets what is wrong.
    """
    said = at(root, ("app", "ignore"))
    if isinstance(said, Sequence):
        return tuple(
            item.value for item in said.items if isinstance(item, Scalar) and isinstance(item.value, str)
        )
    file = source / DOCKERIGNORE
    if not file.is_file():
        return ()
    path = f"{shown}/{DOCKERIGNORE}"
    content, problem = read_bytes(file, path=path)
    text = ""
    if problem is None:
        text, problem = decode_text(content, path=path)
    if problem:
        problems.append(problem)
    return ignore_lines(text)
