"""`mlimage doctor`."""

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from mlimage.cli.options import JsonOption, VariantOption, VerboseOption, images

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlimage.cache import Cache
    from mlimage.cli.screen import Screen
    from mlimage.host.doctor.model import Check, Needs


def doctor(
    image: Annotated[
        str | None,
        typer.Argument(
            metavar="IMAGE",
            autocompletion=images,
            help="NAME, NAME:TAG, or the beginning of a digest: look at what this image needs.",
            show_default=False,
        ),
    ] = None,
    variant: VariantOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = None,
) -> None:
    """Look for what on this machine keeps images from running, slows them down, or changes their numbers.

    Needs no image, no Docker and no GPU, and changes nothing. What fails ends in status 10.

    Examples:
      mlimage doctor
      mlimage doctor churn --variant cuda
      mlimage doctor --json
    """
    from mlimage.cache import default_cache
    from mlimage.cli.screen import Screen
    from mlimage.errors import RunError
    from mlimage.host.doctor.checks import check_all
    from mlimage.host.doctor.machine import this_machine
    from mlimage.process import run

    screen = Screen(json=json, verbose=verbose)
    cache = default_cache(os.environ)
    needs = _needs(image, variant, cache) if image else None
    with screen.progress.task("looking at this machine"):
        found = check_all(this_machine(os.environ, run, cache=cache.root), needs)
    if json:
        screen.json([asdict(each) for each in found])
    else:
        _show(found, screen)
    failed = [each for each in found if each.verdict == "fail"]
    if failed:
        what = f"`{needs.name}` does not run here" if needs else "images do not run here"
        raise RunError(f"{what}: {', '.join(each.title for each in failed)}", hint=failed[0].fix or None)


def _needs(image: str, variant: str | None, cache: "Cache") -> "Needs":
    from mlimage.cli.finding import image_here
    from mlimage.host.doctor.needs import needs_of
    from mlimage.oci.reference import with_variant
    from mlimage.oci.store import Store

    store = Store(cache.store)
    with cache.in_use():
        return needs_of(image_here(with_variant(image, variant), cache, store), store, cache)


def _show(found: "Sequence[Check]", screen: "Screen") -> None:
    width = max(len(each.title) for each in found)
    for each in found:
        screen.say(f"{each.verdict.upper():<4}  {each.title:<{width}}  {each.evidence}")
        if each.fix:
            screen.say(f"{'':<4}  {'':<{width}}  fix: {each.fix}")
