"""Options that several verbs take, with one spelling and one line of help each."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from mlimage.errors import UsageError
from mlimage.platforms import Platform
from mlimage.spec.tags import ImageTag, RoleName


def _platform(text: str) -> Platform:
    try:
        return Platform.parse(text)
    except ValueError as error:
        message, _, known = str(error).partition("; ")
        raise UsageError(f"--platform: {message}", hint=known) from None


def _said_before_or_after(context: typer.Context, value: bool | None) -> bool | None:
    said: bool | None = context.find_root().params.get("verbose")
    return said if value is None else value


def _image_names(context: typer.Context, incomplete: str) -> list[str]:
    from mlimage.cli.completion import image_names

    return image_names(context, incomplete)


def images(context: typer.Context, incomplete: str) -> list[str]:
    """What completes the name of an image, with or without its tag."""
    from mlimage.cli.completion import image_references

    return image_references(context, incomplete)


def roles(context: typer.Context, incomplete: str) -> list[str]:
    """What completes the first word behind the image of a run."""
    offered = () if context.params.get("arguments") else ("train", "serve", "shell")
    return [role for role in offered if role.startswith(incomplete)]


def _variants(context: typer.Context, incomplete: str) -> list[str]:
    from mlimage.cli.completion import variants

    return variants(context, incomplete)


TIMEOUT: Final = 600.0
"""Seconds: far more than any word of an image needs, and less than one that hangs."""
TimeoutOption = Annotated[
    float,
    typer.Option(
        "--timeout", metavar="SECONDS", min=0.1, help="That the image may take for what it is asked."
    ),
]

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]

VerboseOption = Annotated[
    bool | None,
    typer.Option(
        "--verbose/--quiet",
        "-v/-q",
        callback=_said_before_or_after,
        help="Say more on standard error; or nothing there but warnings and errors.",
        show_default=False,
    ),
]
"""True for `--verbose`, False for `--quiet`, before the verb or after it; give it the default None."""

VariantOption = Annotated[
    str | None,
    typer.Option(
        "--variant",
        metavar="NAME",
        autocompletion=_variants,
        help="Only this variant of the image, `cpu` for instance.",
    ),
]

PlatformOption = Annotated[
    Platform | None,
    typer.Option(
        "--platform",
        metavar="OS/ARCH",
        parser=_platform,
        help="Only this platform of the image, `linux/arm64` for instance.",
        show_default=False,
    ),
]

RoleOption = Annotated[
    RoleName | None,
    typer.Option(
        "--role",
        metavar="train|serve",
        help="Only the image for this role, where each role has its own (`split: true`).",
        show_default=False,
    ),
]

NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="IMAGE",
        autocompletion=_image_names,
        help="Names of image folders; all of the project when none is given.",
        show_default=False,
    ),
]

NameArgument = Annotated[
    str,
    typer.Argument(
        metavar="IMAGE",
        autocompletion=_image_names,
        help="The name of an image folder.",
        show_default=False,
    ),
]

ProjectOption = Annotated[
    Path,
    typer.Option(
        "--project",
        "-C",
        metavar="FOLDER",
        help="Start looking for the project (`images/`, `lockfiles/`) here and not in the current folder.",
        show_default=False,
    ),
]
"""Give it the default `Path()`."""

ImageArgument = Annotated[
    str,
    typer.Argument(
        metavar="IMAGE",
        autocompletion=images,
        help="NAME, NAME:TAG, or the beginning of a digest; or REGISTRY/PATH/NAME, which is pulled.",
        show_default=False,
    ),
]

RuntimeOption = Annotated[
    Literal["auto", "docker", "sandbox"],
    typer.Option(
        "--runtime",
        metavar="auto|docker|sandbox",
        help="Where: `auto` is Docker if its daemon answers, else the sandbox.",
    ),
]

EnvOption = Annotated[
    list[str] | None,
    typer.Option("--env", "-e", metavar="NAME[=VALUE]", help="Set a variable.", show_default=False),
]

MemoryOption = Annotated[
    str | None,
    typer.Option("--memory", "-m", metavar="SIZE", help="Memory at most, `2g`.", show_default=False),
]

CpusOption = Annotated[
    float | None,
    typer.Option("--cpus", metavar="N", min=0.01, help="Processors at most, `1.5`.", show_default=False),
]

GpusOption = Annotated[
    str | None,
    typer.Option(
        "--gpus",
        metavar="all|none|N,N",
        help="NVIDIA GPUs that it gets; by default all, if the image is for CUDA and Docker can give them.",
        show_default=False,
    ),
]


def narrower(tags: Sequence[ImageTag]) -> str:
    """What names one image of several."""
    options = [
        option
        for option, values in (
            ("--variant", {tag.variant for tag in tags}),
            ("--platform", {tag.platform for tag in tags}),
            ("--role", {tag.role for tag in tags}),
        )
        if len(values) > 1
    ]
    return "name the image" + "".join(f", and its `{option}`" for option in options)
