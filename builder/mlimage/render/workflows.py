"""The file by which a CI system checks, builds and pushes the images of a project: `mlimage init --ci`."""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mlimage.errors import UsageError
from mlimage.lock.itself import ARCHIVE, REQUIREMENTS
from mlimage.plan.dockerfile import asks_for_docker
from mlimage.spec.model import ImageSpec
from mlimage.spec.reference import flow

System = Literal["github", "gitlab"]
_FILES: Final[Mapping[System, str]] = {"github": ".github/workflows/mlimage.yml", "gitlab": ".gitlab-ci.yml"}
"""Where the systems look for it, from the top of a repository."""


_PYTHON: Final[Mapping[System, str]] = {"github": 'python-version: "{}"', "gitlab": "image: python:{}-"}
"""How they are told which python a job has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a project is, and where its workflow goes.

    Attributes:
        top: of the repository that the project is in, else the project.
        file: of the workflow, seen from there.
        folder: of the project, seen from there; `.` where they are one.
    """

    top: Path
    file: str
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a job needs before it can call mlimage.

    Attributes:
        python: `X.Y`.
        archive: whether mlimage is built from a source archive.
    """

    python: str
    archive: bool

    @property
    def installs(self) -> tuple[str, ...]:
        """The commands that install mlimage, in the folder of the project."""
        pip = "python -m pip install --require-hashes"
        build = (f"{pip} --no-deps --no-build-isolation -r {ARCHIVE}",) if self.archive else ()
        return (f"{pip} -r {REQUIREMENTS}", *build)


def place_of(system: System, root: Path) -> Place:
    """Where a project's workflow goes: to the git repository that the project is in, else to the project."""
    top = next((each for each in (root, *root.parents) if (each / ".git").exists()), root)
    return Place(top=top, file=_FILES[system], folder=root.relative_to(top))


def stays(system: System, place: Place, setup: Setup, *, new: bool) -> bool:
    """Whether a workflow is there that is set up like that, and is left as it is; nothing is overwritten.

    Args:
        system: whose it is.
        place: where it would be.
        setup: of its jobs.
        new: whether it would have to know a new image.

    Raises:
        UsageError: something else is there.
    """
    file = place.top / place.file
    if not os.path.lexists(file):
        return False
    hint = "move it away, and bring back what you need of it"
    if file.is_file() and not new:
        text = file.read_text(encoding="utf-8", errors="replace")
        wanted = (_PYTHON[system].format(setup.python), *setup.installs)
        if ARCHIVE in text and not setup.archive:
            hint = f"take `{ARCHIVE}` out of it: mlimage is in `{REQUIREMENTS}` now"
        elif all(line in text for line in wanted):
            return True
        else:
            hint += "; it may stay if it has " + " and ".join(f"`{line}`" for line in wanted)
    raise UsageError(f"`{place.file}` is there already, in `{place.top}`", hint=hint)


def workflow(
    system: System, specs: Sequence[ImageSpec], *, folder: Path, setup: Setup, templates: Path
) -> str:
    """The text of a project's workflow. Pure, but for the template.

    Args:
        system: whose it is.
        specs: of the project's images.
        folder: of the project, seen from the top of its repository.
        setup: of the jobs.
        templates: folder of the templates, `templates/ci`.
    """
    # The usual delimiters are GitHub's own.
    jinja = Environment(
        loader=FileSystemLoader(templates),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<",
        variable_end_string=">>",
        autoescape=False,  # noqa: S701 - it is no HTML
    )
    below = "" if folder == Path() else folder.as_posix()
    return jinja.get_template(f"{system}.yml.j2").render(
        python=setup.python,
        installs=setup.installs,
        folder=flow(below) if below else "",
        enter=flow(f"cd {shlex.quote(below)}") if below else "",
        images=[(flow(spec.name), flow(tuple(spec.variants))) for spec in specs],
        docker=", ".join(f"`{spec.name}`" for spec in specs if asks_for_docker(spec)),
    )
