"""`mlimage init`."""

import os
import shlex
from dataclasses import dataclass
from os.path import relpath
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mlimage.cli.options import JsonOption, ProjectOption, VerboseOption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlimage.cli.screen import Screen
    from mlimage.lock.itself import LockedItself
    from mlimage.render.workflows import Place, Setup, System
    from mlimage.spec.imported import Note
    from mlimage.spec.model import ImageSpec
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
    mlimage_from: Annotated[
        str | None,
        typer.Option(
            "--mlimage-from",
            metavar="URL#sha256=DIGEST",
            help="Where CI gets mlimage from, if the package index does not have this version: a wheel or a "
            "source archive.",
            show_default=False,
        ),
    ] = None,
    project: ProjectOption = Path(),
    json: JsonOption = False,
    verbose: VerboseOption = None,
) -> None:
    """Make a new image folder, images/NAME, that builds, trains and serves as it is.

    It is made in the project that the current folder is in; outside of one the current folder becomes one.
    Nothing that is there is overwritten.

    With `--ci`, lockfiles/mlimage.txt is written, too: mlimage and what it needs, locked by SHA-256 for the
    workflow to install. To lock them anew, run the same command again; the workflow then stays as it is.

    Examples:
      mlimage init churn
      mlimage init churn --from requirements.txt
      mlimage init churn --from .venv
      mlimage init --ci github            .github/workflows/mlimage.yml for the project as it is
    """
    from mlimage import resources
    from mlimage.cli.screen import Screen
    from mlimage.errors import UsageError
    from mlimage.spec.imports import read_import
    from mlimage.spec.project import Project, find_project
    from mlimage.spec.scaffold import scaffold

    screen = Screen(json=json, verbose=verbose)
    if name is None and (ci is None or source is not None):
        raise UsageError("missing argument `NAME`", hint="`mlimage init --help` shows what it takes")
    if ci is None and mlimage_from is not None:
        raise UsageError("`--mlimage-from` is for `--ci`", hint="add `--ci github` or `--ci gitlab`")
    imported = read_import(source) if source else None
    made = None if name is None else scaffold(name, imported, templates=resources.templates() / "init")
    try:
        found = find_project(project)
    except UsageError:
        if made is None:
            raise
        found = Project(project.absolute())
    # What is in the way, or wrong with the other images, is said before anything is written.
    specs = [found.load(each).spec for each in found.names()] if ci else []
    if ci and not specs and made is None:
        raise UsageError(f"no images in `{found.root}`", hint="`mlimage init NAME` makes one")
    jobs = _locked_for(ci, mlimage_from, found.root, new=made is not None, screen=screen) if ci else None
    files = _write(made, found.root, screen) if made else []
    if jobs:
        specs += [found.load(made.name).spec] if made else []
        files += _write_jobs(jobs, sorted(specs, key=lambda spec: spec.name), found.root)
    if json:
        notes = [{"text": note.text, "reason": note.reason} for note in _notes(made)]
        screen.json({"name": name, "root": str(found.root), "files": files, "notes": notes})
    elsewhere = "" if found.root == Path.cwd() else f" in {found.root}"
    there = "" if project == Path() else f" -C {shlex.quote(str(project))}"
    screen.say("\n".join([f"made{elsewhere}", *(f"  {file}" for file in files)]))
    if jobs and jobs.stays:
        screen.say(f"\n{relpath(jobs.place.top / jobs.place.file, found.root)} stays as it is")
        return
    screen.say("\nnext:")
    for command in _next(name, ci=ci is not None):
        screen.say(f"  mlimage {command}{there}")
    if ci:
        screen.say("  then commit what is new, `lockfiles/` and the Dockerfiles included")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Jobs:
    """What CI is to run, and whether its workflow is there already."""

    system: "System"
    place: "Place"
    setup: "Setup"
    stays: bool
    locked: "LockedItself"


def _locked_for(system: "System", url: str | None, root: Path, *, new: bool, screen: "Screen") -> _Jobs:
    """Lock mlimage for the jobs of a project; `new`: it gets a new image. Writes nothing."""
    from mlimage.cache import default_cache
    from mlimage.content.ownpython import own_python
    from mlimage.lock.index import Indexes
    from mlimage.lock.itself import lock_itself, refuse_foreign
    from mlimage.lock.pinnedurl import parse_pinned_url
    from mlimage.lock.shared import Shared
    from mlimage.process import run
    from mlimage.render.workflows import Setup, place_of, stays

    source = None if url is None else parse_pinned_url(url)
    python = own_python()
    setup = Setup(python=python.python, archive=source is not None and not source.is_wheel)
    place = place_of(system, root)
    there = stays(system, place, setup, new=new)
    refuse_foreign(root, archive=setup.archive)
    cache = default_cache(os.environ)
    with cache.in_use(), Shared(environ=os.environ, progress=screen.progress) as shared:
        locked = lock_itself(
            source,
            python=python,
            indexes=Indexes(
                http=shared.http,
                cache=cache,
                mirrors=shared.mirrors,
                progress=screen.progress,
                projects=shared.projects,
            ),
            http=shared.http,
            cache=cache,
            run=run,
            progress=screen.progress,
            command=f"mlimage init --ci {system}",
        )
    if locked.yanked:
        screen.warn(f"this version of mlimage was withdrawn by its authors ({locked.yanked})")
    return _Jobs(system=system, place=place, setup=setup, stays=there, locked=locked)


def _write_jobs(jobs: _Jobs, specs: "Sequence[ImageSpec]", root: Path) -> list[str]:
    """Write the workflow, where there is none, and mlimage's locked files; gives them, as people see them."""
    from mlimage import resources
    from mlimage.atomic import write_atomically
    from mlimage.render.workflows import workflow

    texts = {root / path: text for path, text in jobs.locked.files.items()}
    if not jobs.stays:
        texts[jobs.place.top / jobs.place.file] = workflow(
            jobs.system,
            specs,
            folder=jobs.place.folder,
            setup=jobs.setup,
            templates=resources.templates() / "ci",
        )
    for file, text in texts.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, text.encode())
    return [relpath(file, root) for file in texts]


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
