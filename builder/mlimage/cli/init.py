"""`mlimage init`."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from mlimage.cli.options import JsonOption, ProjectOption, VerboseOption


def init(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the new image.", show_default=False)],
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="PATH",
            help="Take dependencies and python from a requirements.txt, environment.yml, pyproject.toml, "
            "or the folder of a virtual environment.",
            show_default=False,
        ),
    ] = None,
    project: ProjectOption = Path(),
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Make a new image folder, images/NAME, that builds, trains and serves as it is.

    It is made in the project that the current folder is in; outside of one the current folder becomes one.
    Nothing that is there is overwritten.

    Examples:
      mlimage init churn
      mlimage init churn --from requirements.txt
      mlimage init churn --from .venv
    """
    from mlimage import resources
    from mlimage.cli.screen import Screen
    from mlimage.errors import UsageError
    from mlimage.spec.imports import read_import
    from mlimage.spec.project import find_project
    from mlimage.spec.scaffold import scaffold, write_scaffold, write_schema

    screen = Screen(json=json, verbose=verbose)
    imported = read_import(source) if source else None
    made = scaffold(name, imported, templates=resources.templates() / "init")
    try:
        root = find_project(project).root
    except UsageError:
        root = project.absolute()
    write_scaffold(made, root=root)
    for note in made.changed:
        screen.warn(f"`{note.text}`: {note.reason}")
    for note in made.left_out:
        screen.warn(f"left out `{note.text}`: {note.reason}")
    if write_schema(root):
        screen.warn(
            "images/mlimage.schema.json is of another version: `mlimage schema > images/mlimage.schema.json`"
        )
    files = sorted(f"images/{name}/{path}" for path in made.files)
    if json:
        notes = [{"text": note.text, "reason": note.reason} for note in (*made.changed, *made.left_out)]
        screen.json({"name": name, "root": str(root), "files": files, "notes": notes})
    elsewhere = "" if root == Path.cwd() else f" in {root}"
    there = "" if project == Path() else f" -C {shlex.quote(str(project))}"
    screen.say("\n".join([f"made{elsewhere}", *(f"  {file}" for file in files)]))
    screen.say("\nnext:")
    for command in (f"lock {name}", f"build {name}", f"run {name} train"):
        screen.say(f"  mlimage {command}{there}")
