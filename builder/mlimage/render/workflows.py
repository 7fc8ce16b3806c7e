"""The file by which a CI system checks, builds and pushes the images of a project: `mlimage init --ci`."""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mlimage.errors import UsageError
from mlimage.plan.dockerfile import asks_for_docker
from mlimage.spec.model import ImageSpec
from mlimage.spec.reference import flow

System = Literal["github", "gitlab"]
_FILES: Final[Mapping[System, str]] = {"github": ".github/workflows/mlimage.yml", "gitlab": ".gitlab-ci.yml"}
"""Where the systems look for it, from the top of a repository."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a project is, and where its workflow goes.

    Attributes:
        file: of the workflow.
        folder: of the project, seen from the top of its repository; `.` where they are one.
    """

    file: Path
    folder: Path


def place_of(system: System, root: Path) -> Place:
    """The place of a project's workflow: in the git repository that the project is in, else in the project.

    Raises:
        UsageError: something is there already, and nothing is overwritten.
    """
    top = next((each for each in (root, *root.parents) if (each / ".git").exists()), root)
    file = top / _FILES[system]
    if os.path.lexists(file):
        raise UsageError(
            f"`{_FILES[system]}` is there already, in `{top}`",
            hint="move it away, and bring back what you need of it",
        )
    return Place(file=file, folder=root.relative_to(top))


def workflow(
    system: System, specs: Sequence[ImageSpec], *, folder: Path, templates: Path, version: str
) -> str:
    """The text of a project's workflow. Pure, but for the template.

    Args:
        system: whose it is.
        specs: of the project's images.
        folder: of the project, seen from the top of its repository.
        templates: folder of the templates, `templates/ci`.
        version: of mlimage, which the jobs install.
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
        version=version,
        folder=flow(below) if below else "",
        enter=flow(f"cd {shlex.quote(below)}") if below else "",
        images=[(flow(spec.name), flow(tuple(spec.variants))) for spec in specs],
        docker=", ".join(f"`{spec.name}`" for spec in specs if asks_for_docker(spec)),
    )
