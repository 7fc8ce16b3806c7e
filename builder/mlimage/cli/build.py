"""`mlimage build`."""

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlimage.cli.options import JsonOption, NamesArgument, ProjectOption, VariantOption, VerboseOption
from mlimage.cli.style import size_text

if TYPE_CHECKING:
    from mlimage.cli.screen import Screen
    from mlimage.engines.build import Built
    from mlimage.lock.inputs import Inputs
    from mlimage.spec.load import LoadedSpec


def build(
    names: NamesArgument = None,
    *,
    variant: VariantOption = None,
    output: Annotated[
        list[str] | None,
        typer.Option(
            "--output",
            "-o",
            metavar="KIND:PLACE",
            help="Also write the image to `oci:DIR`, `oci-archive:FILE` or `docker-archive:FILE` (`-` is "
            "standard output); may be repeated.",
            show_default=False,
        ),
    ] = None,
    record: Annotated[
        bool,
        typer.Option(
            "--record", help="Note what each layer gave in digests.toml, instead of comparing with it."
        ),
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            metavar="N",
            min=1,
            help="Layers made at once; by default one per core.",
            show_default=False,
        ),
    ] = None,
    project: ProjectOption = Path(),
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Turn spec and lock into one sealed image in the local store.

    The same spec and lock give the same image id and digest on every machine. Layers that were made
    before are not made again, whatever image they were made for. Nothing is resolved here: a lock that is
    missing or stale is an error, and `mlimage lock` mends it.

    Examples:
      mlimage build                       every image of the project
      mlimage build churn                 one image
      mlimage build churn --record        note the digests, for CI to compare with
      mlimage build churn -o docker-archive:- | docker load
    """
    from mlimage.cache import default_cache
    from mlimage.cli.screen import Screen
    from mlimage.engines.build import build_image
    from mlimage.errors import UsageError
    from mlimage.lock.check import check
    from mlimage.lock.text import read_lock
    from mlimage.oci.archive import archive_size, write_output
    from mlimage.oci.store import Store
    from mlimage.plan.decide import plan
    from mlimage.spec.project import find_project

    outputs = output or []
    to_stdout = _goes_to_stdout(outputs, json=json)
    screen = Screen(json=json, verbose=verbose)
    found = find_project(project)
    cache = default_cache(os.environ)
    store = Store(cache.store)
    chosen = found.select(names or (), variant)
    if outputs and len(chosen) > 1:
        raise UsageError("`--output` takes one image", hint="name the image, and its `--variant`")
    plans = []
    for spec, each in chosen:
        lock = read_lock(found.lock_folder(spec.spec.name), each)
        check(spec, lock)
        plans.append((spec, plan(spec, lock)))
    results = []
    for spec, planned in plans:
        with ExitStack() as stack:
            stack.enter_context(cache.in_use())

            def inputs(loaded: "LoadedSpec" = spec, stack: ExitStack = stack) -> "Inputs":
                from mlimage.lock.sources import Sources

                sources = Sources(loaded.spec, cache=cache, environ=os.environ, progress=screen.progress)
                return stack.enter_context(sources).inputs

            built = build_image(
                planned,
                folder=found.image_folder(planned.image),
                lock_folder=found.lock_folder(planned.image),
                record=record,
                inputs=inputs,
                cache=cache,
                store=store,
                progress=screen.progress,
                jobs=jobs,
            )
            for place in outputs:
                with screen.progress.task(
                    f"writing {place}", total=archive_size(built.image), unit="bytes"
                ) as task:
                    write_output(built.image, store, place, advance=task.advance)
        results.append(_result(built))
        if not to_stdout:
            _show(screen, built)
    if json:
        screen.json(results)


def _goes_to_stdout(outputs: list[str], *, json: bool) -> bool:
    """Whether an archive goes to standard output; raises `UsageError` where it would not be alone there."""
    from mlimage.errors import UsageError
    from mlimage.oci.archive import parse_output

    archives = [f"`--output {place}`" for place in outputs if parse_output(place)[1] == "-"]
    takers = [*archives, "`--json`"] if json else archives
    if archives and len(takers) > 1:
        raise UsageError(
            f"{' and '.join(takers)} cannot share standard output", hint="write the image to a file"
        )
    return bool(archives)


def _show(screen: "Screen", built: "Built") -> None:
    image = built.image
    made = [layer for layer in built.layers if layer.made]
    packed = sum(layer.blob.blob.size for layer in built.layers)
    new = sum(layer.blob.blob.size for layer in made)
    screen.say(f"{image.name}")
    screen.say(f"  digest    {image.digest}")
    screen.say(f"  image id  {image.image_id}")
    screen.say(
        f"  layers    {len(built.layers)}, {size_text(packed)} packed; "
        + (f"{len(made)} made now, {size_text(new)}" if made else "nothing changed")
    )
    if built.unrecorded:
        screen.progress.detail(
            f"not in digests.toml: {', '.join(built.unrecorded)}; `mlimage build "
            f"{image.name.partition(':')[0]} --record` notes them"
        )


def _result(built: "Built") -> dict[str, Any]:
    return {
        "name": built.image.name,
        "digest": built.image.digest,
        "image_id": built.image.image_id,
        "platform": str(built.image.platform),
        "layers": [
            {
                "name": layer.layer.name,
                "key": layer.key,
                "diff_id": layer.blob.diff_id,
                "digest": layer.blob.blob.digest,
                "size": layer.blob.blob.size,
                "uncompressed_size": layer.blob.uncompressed_size,
                "made": layer.made,
            }
            for layer in built.layers
        ],
        "unrecorded": list(built.unrecorded),
    }
