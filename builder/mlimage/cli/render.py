"""`mlimage render`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlimage.cli.options import (
    JsonOption,
    NamesArgument,
    PlatformOption,
    ProjectOption,
    VariantOption,
    VerboseOption,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlimage.cli.screen import Screen


def render(
    names: NamesArgument = None,
    *,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Write nothing: show how the files differ from what would be rendered; exit status 4 if so.",
        ),
    ] = False,
    variant: VariantOption = None,
    platform: PlatformOption = None,
    project: ProjectOption = Path(),
    json: JsonOption = False,
    verbose: VerboseOption = None,
) -> None:
    """Render the Dockerfile of each variant from the spec and its lock, to be read and committed.

    `mlimage build --engine docker` runs the same text, and `docker build` takes it where the base is an image
    of a registry. A spec changes it by `run:` steps, or by a template of its own with `dockerfile.template`.

    Examples:
      mlimage render                every image of the project
      mlimage render churn
      mlimage render --check        are the committed files what would be rendered? (for CI)
    """
    from mlimage.cli.screen import Screen
    from mlimage.lock.check import check as check_lock
    from mlimage.lock.text import read_lock
    from mlimage.plan.decide import plan
    from mlimage.render.dockerfile import render as rendered
    from mlimage.render.files import compare, write
    from mlimage.spec.project import find_project

    screen = Screen(json=json, verbose=verbose)
    found = find_project(project)
    files: list[tuple[str, str]] = []
    for loaded, tag in found.select(names or (), variant=variant, platform=platform):
        lock = read_lock(found.lock_folder(loaded.spec.name), tag.of_lock)
        check_lock(loaded, lock)
        files += rendered(plan(loaded, lock, tag.role)).files
    if check:
        _check(compare(files, found.root), [path for path, _ in files], screen, json=json)
        return
    changed = write(files, found.root)
    if json:
        screen.json([{"file": path, "written": path in changed} for path, _ in files])
    for path, _ in files:
        screen.say(f"{path}: {'written' if path in changed else 'as it was'}")


def _check(differences: "dict[str, str]", files: "Sequence[str]", screen: "Screen", *, json: bool) -> None:
    from mlimage.errors import LockError

    if json:
        results: list[dict[str, Any]] = [
            {"file": path, "up_to_date": path not in differences, "diff": differences.get(path)}
            for path in files
        ]
        screen.json(results)
    for path in files:
        screen.say(differences.get(path, f"{path} is up to date"))
    if differences:
        raise LockError(
            f"{len(differences)} of {len(files)} rendered files are not what the spec and the lock give",
            hint="`mlimage render` writes them anew; changes belong in mlimage.yaml or a template of yours",
        )
