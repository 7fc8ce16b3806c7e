"""`Dockerfile.<tag>.dockerignore`: what a build sees of the project, and nothing else."""

import posixpath
import re
from typing import Final

from mlimage.plan.model import BuildPlan

_ANY_BEFORE: Final = re.compile(r"\*\*[^/*?\[\\][^*?\[\\]*", re.DOTALL)
"""What at the begin of a pattern, and only there, may match in the middle of a name: `**.txt`."""


def render_ignore(plan: BuildPlan) -> str:
    """The lock, and the application less what its own patterns leave out.

    An image with a template of its own sees the whole folder of the image, for the template's own files.
    """
    dockerfile = plan.dockerfile
    source = _escaped(dockerfile.source)
    seen = _escaped(dockerfile.folder) if dockerfile.template else source
    lines = [
        f"# What `docker build -f {dockerfile.folder}/Dockerfile.{plan.tag} .` sees of the project.",
        f"# To render it anew: mlimage render {plan.image}",
        "*",
        f"!{dockerfile.requirements}",
        f"!{seen}",
        *(line for pattern in dockerfile.ignore if (line := _below(source, pattern))),
    ]
    return "".join(f"{line}\n" for line in lines)


def unseen_below_image(plan: BuildPlan) -> tuple[str, ...]:
    """What a template cannot see of its image's folder, as patterns relative to that."""
    inside = plan.dockerfile.source.removeprefix(plan.dockerfile.folder).removeprefix("/")
    source = _escaped(inside)
    return tuple(line for pattern in plan.dockerfile.ignore if (line := _below(source, pattern)))


def _below(folder: str, pattern: str) -> str:
    """A pattern of the application's `.dockerignore` as one of the project's; nothing for what is none."""
    if pattern.startswith("#"):
        return ""
    text = pattern.strip()
    back = "!" if text.startswith("!") else ""
    text = text.removeprefix("!").strip()
    cleaned = posixpath.normpath(text).lstrip("/") if text else "."
    if cleaned in {"", "."} or cleaned.split("/")[0] == "..":
        return ""  # it matches nothing in the folder
    if _ANY_BEFORE.fullmatch(cleaned):
        cleaned = f"**/*{cleaned[2:]}"
    if cleaned[-1].isspace():
        cleaned += "/"  # or it would be lost at the end of the line
    return f"{back}{folder}/{cleaned}" if folder else f"{back}{cleaned}"


def _escaped(path: str) -> str:
    """A path as a pattern that matches it alone."""
    return re.sub(r"([*?\[\]\\])", r"\\\1", path)
