"""`Dockerfile.<variant>.dockerignore`: what a build sees of the project, and nothing else."""

import re

from mlimage.plan.model import BuildPlan


def render_ignore(plan: BuildPlan) -> str:
    """The lock, and the application less what its own patterns leave out.

    An image with a template of its own sees the whole folder of the image, for the template's own files.
    """
    dockerfile = plan.dockerfile
    source = _escaped(dockerfile.source)
    seen = _escaped(dockerfile.folder) if dockerfile.template else source
    lines = [
        f"# What `docker build -f {dockerfile.folder}/Dockerfile.{plan.variant} .` sees of the project.",
        f"# To render it anew: mlimage render {plan.image}",
        "*",
        f"!{dockerfile.requirements}",
        f"!{seen}",
        *(line for pattern in dockerfile.ignore if (line := _below(source, pattern))),
    ]
    return "".join(f"{line}\n" for line in lines)


def _below(folder: str, pattern: str) -> str:
    """A pattern of the application's `.dockerignore` as one of the project's; nothing for what is none."""
    text = pattern.strip()
    if not text or text.startswith("#"):
        return ""
    back = "!" if text.startswith("!") else ""
    text = text.removeprefix("!").strip()
    while text.startswith(("/", "./")):
        text = text.removeprefix("/").removeprefix("./")
    return f"{back}{folder}/{text}" if text else ""


def _escaped(path: str) -> str:
    """A path as a pattern that matches it alone."""
    return re.sub(r"([*?\[\]\\])", r"\\\1", path)
