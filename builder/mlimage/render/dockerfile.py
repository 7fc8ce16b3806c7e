"""A plan to the Dockerfile that builds it, by mlimage's own template or the user's extension of it."""

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from mlimage import resources
from mlimage.lock.model import ImageBase
from mlimage.lock.writer import base_file
from mlimage.plan.dockerfile import has_steps
from mlimage.plan.model import COMPILED, BuildPlan, Moment
from mlimage.platforms import LINUX_AMD64
from mlimage.render.ignore import render_ignore
from mlimage.render.instructions import (
    copy_app,
    debs_run,
    link_commands,
    packages_run,
    pairs,
    run_step,
    wheels_run,
)
from mlimage.render.template import check_template, environment, rendering

FOLDER: Final = "dockerfile"
"""Where in `templates/` the templates of Dockerfiles are."""
TEMPLATE: Final = "Dockerfile.j2"
FOR_USERS: Final = (
    "image",
    "variant",
    "platform",
    "python",
    "folder",
    "requirements",
    "base_image",
    "base_python",
    "workdir",
    "user",
    "ports",
)
"""What a user's template may name; `docs/dockerfiles.md` describes each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """The files of one image: path in the project and text of each, the Dockerfile first."""

    files: tuple[tuple[str, str], ...]

    @property
    def dockerfile(self) -> str:
        """The Dockerfile's text."""
        return self.files[0][1]

    @property
    def ignore(self) -> str:
        """The text of the `.dockerignore` beside it."""
        return self.files[1][1]


def render(plan: BuildPlan) -> Rendered:
    """Render the Dockerfile and what a build of it leaves out. Pure but for reading mlimage's templates.

    Raises:
        SpecError: the user's template is wrong, at its line.
        UsageError: the spec has a value that no Dockerfile can say.
    """
    jinja = environment(resources.templates() / FOLDER)
    values = _values(plan)
    user = plan.dockerfile.template
    if user is None:
        text = jinja.get_template(TEMPLATE).render(values)
    else:
        path, source = user
        filled = {step.at.block for step in plan.dockerfile.steps}
        check_template(jinja, source, path=path, extends=TEMPLATE, filled=filled)
        with rendering(path, FOR_USERS):
            text = jinja.from_string(source).render(values)
    file = f"{plan.dockerfile.folder}/Dockerfile.{plan.tag}"
    return Rendered(files=((file, text), (f"{file}.dockerignore", render_ignore(plan))))


def _is_label_of_file(name: str) -> bool:
    """Not what only a sealed image may say of itself."""
    return not name.startswith("dev.mlimage.") and name != "org.opencontainers.image.created"


def _in_one_line(value: str) -> str:
    """A Dockerfile has no words for line breaks; the sealed image has the label as it is."""
    return re.sub(r"\s*[\r\n]\s*", " ", value).strip() if re.search(r"[\r\n]", value) else value


def _values(plan: BuildPlan) -> dict[str, Any]:
    """Everything that mlimage's templates name."""
    config = plan.config
    dockerfile = plan.dockerfile
    inherited = plan.base.env if isinstance(plan.base, ImageBase) else ()
    steps = {
        moment.block: tuple(run_step(step) for step in dockerfile.steps if step.at is moment)
        for moment in Moment
    }
    return {
        "image": plan.image,
        "variant": plan.variant,
        "name": plan.name,
        "tag": str(plan.tag),
        "base_lock": f"lockfiles/{plan.image}/{base_file(plan.tag.of_lock)}",
        "platform": str(plan.platform),
        "platform_option": None if plan.platform == LINUX_AMD64 else f"--platform {plan.platform}",
        "python": plan.python,
        "requirements": dockerfile.requirements,
        "folder": dockerfile.folder,
        "base": plan.base,
        "base_part": "image.j2" if dockerfile.base else "assembled.j2",
        "base_image": dockerfile.base,
        "base_python": dockerfile.python,
        "debs": dockerfile.debs,
        "debs_run": debs_run(),
        "wheels_run": wheels_run(plan),
        "links": link_commands(plan),
        "epoch": int(plan.created.timestamp()) if has_steps(dockerfile) or dockerfile.debs else None,
        "steps": steps,
        "bytecode": plan.bytecode,
        "no_bytecode": "as the spec asks"
        if plan.platform in COMPILED
        else "which mlimage compiles for " + " and ".join(map(str, COMPILED)),
        "packages_run": packages_run(plan),
        "copy_app": copy_app(plan),
        "env": pairs([pair for pair in config.env if pair not in inherited], of="env"),
        "labels": pairs(
            [(name, _in_one_line(value)) for name, value in config.labels if _is_label_of_file(name)],
            of="labels",
        ),
        "workdir": config.working_directory,
        "user": config.user,
        "ports": config.ports,
        "command": json.dumps(dockerfile.command, ensure_ascii=False) if dockerfile.command else None,
    }
