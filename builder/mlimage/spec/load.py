"""`mlimage.yaml` and the files that it names to a spec, or all that is wrong with them in one error."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from mlimage.errors import Problem, SpecError
from mlimage.redact import redact_quoted
from mlimage.spec.checks import check_rules, check_values
from mlimage.spec.explain import explain, place, walk
from mlimage.spec.files import NamedFiles, Template, named_files
from mlimage.spec.frozen import GoldenManifest
from mlimage.spec.model import ImageSpec
from mlimage.spec.nodes import Mapping, Sequence, at, plain, texts
from mlimage.spec.nodes import Path as Steps
from mlimage.spec.requirements import SpecRequirement
from mlimage.spec.source import read_yaml
from mlimage.spec.text import read_bytes

FILE = "mlimage.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedSpec:
    """A spec with what the files beside it say.

    Attributes:
        spec: what `mlimage.yaml` says.
        requirements: every requirement in effect, with its place: inline, from the requirements file, of the
            roles; those of one variant carry its name.
        ignore: patterns of files that stay out of the app layer, as in a `.dockerignore`, relative to
            `app.source`.
        template: the template of its Dockerfiles, where it names one.
        manifest: that of its golden record, None where there is none.
    """

    spec: ImageSpec
    requirements: tuple[SpecRequirement, ...]
    ignore: tuple[str, ...]
    template: Template | None = None
    manifest: GoldenManifest | None = None


def load_spec(folder: Path, *, shown: str) -> LoadedSpec:
    """Read an image's folder.

    Args:
        folder: the folder, `images/NAME`; its file `mlimage.yaml` exists.
        shown: how messages and places call the folder, relative to the project.

    Raises:
        SpecError: with every problem of `mlimage.yaml` and of the requirements files.
    """
    path = f"{shown}/{FILE}"
    content, unreadable = read_bytes(folder / FILE, path=path)
    if unreadable:
        raise SpecError([unreadable])
    root, problems = read_yaml(content, path=path)
    files = named_files(root, folder, shown=shown)
    spec, more = _judge(root, path=path, folder=folder.name)
    everything = (*problems, *_elsewhere((*more, *files.problems), problems))
    if spec is None or everything:
        raise SpecError(_redacted(everything, root))
    return LoadedSpec(
        spec=spec,
        requirements=_requirements(root, spec, files, path),
        ignore=files.ignore,
        template=files.template,
    )


def parse_spec(content: bytes, *, path: str, folder: str) -> ImageSpec:
    """The spec that a file's bytes say, without looking at any other file.

    Args:
        content: the bytes.
        path: what messages call the file.
        folder: name of the folder that it is in.

    Raises:
        SpecError: with every problem.
    """
    root, problems = read_yaml(content, path=path)
    spec, more = _judge(root, path=path, folder=folder)
    if spec is None or problems or more:
        raise SpecError(_redacted((*problems, *_elsewhere(more, problems)), root))
    return spec


def _elsewhere(more: Iterable[Problem], known: Iterable[Problem]) -> Iterator[Problem]:
    """Those of other places: what is no text, for instance, is no name and no path either."""
    places = {(problem.path, problem.line, problem.column) for problem in known}
    return (problem for problem in more if (problem.path, problem.line, problem.column) not in places)


def _redacted(problems: Iterable[Problem], root: Mapping) -> Iterator[Problem]:
    """The problems without the credentials of URLs in the document, of which they may quote anything."""
    values = tuple(texts(root))
    for problem in problems:
        yield replace(
            problem,
            key=redact_quoted(problem.key, values),
            message=redact_quoted(problem.message, values),
            hint=problem.hint and redact_quoted(problem.hint, values),
        )


def _judge(root: Mapping, *, path: str, folder: str) -> tuple[ImageSpec | None, list[Problem]]:
    """The spec, where the document is one, and all that is wrong."""
    empty = dict(check_values(root, path=path))
    problems = [*empty.values(), *check_rules(root, path=path, folder=folder)]
    try:
        spec = ImageSpec.model_validate(plain(root))
    except ValidationError as error:
        wrong = (item for item in error.errors(include_url=False) if walk(item["loc"]) not in empty)
        return None, [*problems, *(explain(item, root, path=path) for item in wrong)]
    return spec, problems


def _requirements(
    root: Mapping, spec: ImageSpec, files: NamedFiles, path: str
) -> tuple[SpecRequirement, ...]:
    def inline(steps: Steps, variant: str | None = None) -> Iterator[SpecRequirement]:
        found = at(root, steps)
        for number, item in enumerate(found.items if isinstance(found, Sequence) else ()):
            line, column = place(root, (*steps, number))
            text = plain(item)
            if isinstance(text, str):
                yield SpecRequirement(
                    text=text,
                    place=".".join(map(str, steps)),
                    path=path,
                    line=line,
                    column=column,
                    variant=variant,
                )

    return (
        *inline(("dependencies",)),
        *files.requirements,
        *inline(("train", "dependencies")),
        *inline(("serve", "dependencies")),
        *(one for name in spec.variants for one in inline(("variants", name, "dependencies"), name)),
    )
