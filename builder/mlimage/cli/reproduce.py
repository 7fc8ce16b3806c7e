"""`mlimage reproduce`."""

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from mlimage.cli.options import JsonOption, VariantOption, VerboseOption, images

if TYPE_CHECKING:
    from mlimage.cache import Cache
    from mlimage.cli.screen import Screen
    from mlimage.oci.model import SealedImage
    from mlimage.oci.store import Store


def reproduce(
    image: Annotated[
        str,
        typer.Argument(
            metavar="IMAGE",
            autocompletion=images,
            help="NAME, NAME:TAG, or the beginning of a digest; or REGISTRY/PATH/NAME, which is pulled.",
            show_default=False,
        ),
    ],
    *,
    variant: VariantOption = None,
    as_json: JsonOption = False,
    verbose: VerboseOption = None,
) -> None:
    """Make an image once more from what it says of itself, and see whether the same comes out.

    Spec, lock and application are in the image. They are taken out, everything that the lock names is
    verified, and all layers are made anew: no result of another build counts. The last line says whether the
    images are identical; where they are not, what differs stands above it, and the exit status is 8.

    Examples:
      mlimage reproduce churn
      mlimage reproduce ghcr.io/acme/churn@sha256:DIGEST
    """
    from mlimage.atomic import scratch_folder
    from mlimage.cache import Cache, default_cache
    from mlimage.cli.diff import as_value, show_diff
    from mlimage.cli.screen import Screen
    from mlimage.errors import VerificationError
    from mlimage.oci.found import in_store
    from mlimage.oci.store import Store
    from mlimage.verify.diff.compare import compare_images

    screen = Screen(json=as_json, verbose=verbose)
    cache = default_cache(os.environ)
    store = Store(cache.store)
    with ExitStack() as stack:
        stack.enter_context(cache.in_use())
        found = _find(image, variant, screen, cache)
        own = Cache(stack.enter_context(scratch_folder(cache.root)) / "cache")
        rebuilt = _rebuilt(found, store, own, cache, screen, stack)
        diff = compare_images(
            in_store(found, store), in_store(rebuilt, Store(own.store)), deep=True, progress=screen.progress
        )
    same = rebuilt.digest == found.digest
    if as_json:
        screen.json({"digest": found.digest, "rebuilt": rebuilt.digest, "same": same, **as_value(diff)})
    elif same:
        screen.say(f"{found.name}\n  digest    {found.digest}\nthe same digest came out: it is reproducible")
    else:
        show_diff(diff, screen)
    if not same:
        raise typer.Exit(VerificationError.exit_status)


def _find(image: str, variant: str | None, screen: "Screen", cache: "Cache") -> "SealedImage":
    from mlimage.cli.finding import image_here
    from mlimage.cli.pull import pulled_from
    from mlimage.oci.reference import with_variant
    from mlimage.oci.store import Store
    from mlimage.platforms import host_platform

    if "/" in image:
        return pulled_from(image, screen, cache, variant=variant or "auto").image
    return image_here(with_variant(image, variant), cache, Store(cache.store), platform=host_platform())


def _rebuilt(
    found: "SealedImage", store: "Store", own: "Cache", cache: "Cache", screen: "Screen", stack: ExitStack
) -> "SealedImage":
    """The image made anew in a cache of its own, which has nothing but the fetched files of the other."""
    from mlimage.cli.building import engine_of, inputs_opener
    from mlimage.engines.choose import choose
    from mlimage.verify.reproduce import read_recipe, rebuild

    (project := own.root.parent / "project").mkdir()
    recipe = read_recipe(found, store, project)
    own.root.mkdir()
    (cache.root / "inputs").mkdir(exist_ok=True)
    (own.root / "inputs").symlink_to(cache.root / "inputs")
    choice = choose("auto", recipe.plan)
    screen.progress.detail(choice.why)
    return rebuild(
        recipe,
        engine=engine_of(choice.engine, project, (), cached=False),
        inputs=inputs_opener(stack, recipe.loaded, recipe.plan.variant, own, screen),
        cache=own,
        progress=screen.progress,
    )
