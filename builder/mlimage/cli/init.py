"""`mlimage init`."""

import shlex
from os.path import relpath
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mlimage.cli.options import JsonOption, ProjectOption, VerboseOption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlimage.cli.screen import Screen
    from mlimage.spec.imported import Note
    from mlimage.spec.scaffold import Scaffold


def init(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Name of the new image; `--ci` needs none.", show_default=False),
    ] = None,
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
    ci: Annotated[
        Literal["github", "gitlab"] | None,
        typer.Option(
            "--ci",
            metavar="github|gitlab",
            help="Also write the workflow that checks, builds and pushes all images of the project; without "
            "NAME only that.",
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
      mlimage init --ci github            .github/workflows/mlimage.yml for the project as it is
    """
    from mlimage import __version__, resources
    from mlimage.atomic import write_atomically
    from mlimage.cli.screen import Screen
    from mlimage.errors import UsageError
    from mlimage.render.workflows import place_of, workflow
    from mlimage.spec.imports import read_import
    from mlimage.spec.project import Project, find_project
    from mlimage.spec.scaffold import scaffold

    screen = Screen(json=json, verbose=verbose)
    if name is None and (ci is None or source is not None):
        raise UsageError("missing argument `NAME`", hint="`mlimage init --help` shows what it takes")
    imported = read_import(source) if source else None
    made = None if name is None else scaffold(name, imported, templates=resources.templates() / "init")
    try:
        found = find_project(project)
    except UsageError:
        if made is None:
            raise
        found = Project(project.absolute())
    # What is in the way, or wrong with the other images, is said before anything is written.
    place = place_of(ci, found.root) if ci else None
    specs = [found.load(each).spec for each in found.names()] if ci else []
    if ci and not specs and made is None:
        raise UsageError(f"no images in `{found.root}`", hint="`mlimage init NAME` makes one")
    files = _write(made, found.root, screen) if made else []
    if ci and place:
        specs += [found.load(made.name).spec] if made else []
        text = workflow(
            ci,
            sorted(specs, key=lambda spec: spec.name),
            folder=place.folder,
            templates=resources.templates() / "ci",
            version=__version__,
        )
        place.file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(place.file, text.encode())
        files.append(relpath(place.file, found.root))
    if json:
        notes = [{"text": note.text, "reason": note.reason} for note in _notes(made)]
        screen.json({"name": name, "root": str(found.root), "files": files, "notes": notes})
    elsewhere = "" if found.root == Path.cwd() else f" in {found.root}"
    there = "" if project == Path() else f" -C {shlex.quote(str(project))}"
    screen.say("\n".join([f"made{elsewhere}", *(f"  {file}" for file in files)]))
    screen.say("\nnext:")
    for command in _next(name, ci=ci is not None):
        screen.say(f"  mlimage {command}{there}")
    if ci:
        screen.say("  then commit what is new, `lockfiles/` and the Dockerfiles included")


def _write(made: "Scaffold", root: Path, screen: "Screen") -> list[str]:
    """Write a new image; gives its files, as people see them."""
    from mlimage.spec.scaffold import write_scaffold, write_schema

    write_scaffold(made, root=root)
    for note in made.changed:
        screen.warn(f"`{note.text}`: {note.reason}")
    for note in made.left_out:
        screen.warn(f"left out `{note.text}`: {note.reason}")
    if write_schema(root):
        screen.warn(
            "images/mlimage.schema.json is of another version: `mlimage schema > images/mlimage.schema.json`"
        )
    return sorted(f"images/{made.name}/{path}" for path in made.files)


def _notes(made: "Scaffold | None") -> "Sequence[Note]":
    return (*made.changed, *made.left_out) if made else ()


def _next(name: str | None, *, ci: bool) -> "Sequence[str]":
    """What to type next; CI wants to find locks, Dockerfiles and records."""
    of = f" {name}" if name else ""
    commands = [f"lock{of}", f"build{of}"]
    if ci:
        commands = [f"lock{of}", f"render{of}", f"build{of} --record"]
    return [*commands, *([f"run {name} train"] if name else [])]
