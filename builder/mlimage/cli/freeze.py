"""`mlimage freeze`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlimage.cli.options import (
    TIMEOUT,
    JsonOption,
    ProjectOption,
    RuntimeOption,
    TimeoutOption,
    VariantOption,
    VerboseOption,
    images,
)

if TYPE_CHECKING:
    from mlimage.cli.screen import Screen
    from mlimage.runtime.golden.record import Record
    from mlimage.verify.freeze import Frozen


def freeze(
    image: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            autocompletion=images,
            help="An image of the project, built and trained.",
            show_default=False,
        ),
    ],
    *,
    variant: VariantOption = None,
    runtime: RuntimeOption = "auto",
    models: Annotated[
        Path | None,
        typer.Option(
            "--models",
            metavar="FOLDER",
            help="Where the model is; by default `models/NAME` in the project.",
            show_default=False,
        ),
    ] = None,
    timeout: TimeoutOption = TIMEOUT,
    drop: Annotated[
        bool, typer.Option("--drop", help="Remove the record instead: the next build has no model.")
    ] = False,
    project: ProjectOption = Path(),
    json: JsonOption = False,
    verbose: VerboseOption = None,
) -> None:
    """Record what a trained model computes, and freeze it with its preprocessing.

    The image computes chosen requests several times, in fresh processes, with other hash seeds and numbers of
    threads; its server, where it has one, answers them. What is not the same each time nobody can verify: it
    is refused, with the stage and the case. The record goes into `lockfiles/NAME/golden`, to be committed;
    the next `mlimage build` puts model and record into the image, and refuses preprocessing that has changed
    since.

    Needs `golden:` in mlimage.yaml: docs/golden.md.

    Examples:
      mlimage build churn && mlimage run churn train
      mlimage freeze churn
      mlimage build churn         now with the model
      mlimage freeze churn --drop
    """
    from dataclasses import replace

    from mlimage.cache import default_cache
    from mlimage.cli.finding import image_here
    from mlimage.cli.screen import Screen
    from mlimage.errors import UsageError
    from mlimage.host.ask import need_word, shut_in
    from mlimage.host.choose import choose
    from mlimage.host.contract import User, read_contract
    from mlimage.host.launch import launch
    from mlimage.host.prepare import Wishes, prepare
    from mlimage.host.request import MODELS
    from mlimage.host.serving import no_server, serve_for
    from mlimage.oci.reference import with_variant
    from mlimage.oci.store import Store
    from mlimage.platforms import host_platform
    from mlimage.runtime.places import CASES
    from mlimage.spec.project import find_project
    from mlimage.verify.freeze import freeze as frozen_by
    from mlimage.verify.freeze import keep
    from mlimage.verify.models import need_models
    from mlimage.verify.overshadowed import overshadowed
    from mlimage.verify.parity.serving import sender, with_answers
    from mlimage.verify.requests import requests_in

    screen = Screen(json=json, verbose=verbose)
    found = find_project(project)
    spec = found.load(image).spec
    folder = found.golden_folder(image)
    if drop:
        _drop(folder, screen)
        return
    if spec.golden is None:
        raise UsageError(
            f"`images/{image}/mlimage.yaml` does not say what to record",
            hint="add `golden:` with `preprocess`, `predict` and `model`; docs/spec.md tells what they are",
        )
    cache = default_cache(os.environ)
    store = Store(cache.store)
    sealed = image_here(
        with_variant(image, variant),
        cache,
        store,
        project=project,
        platform=host_platform(),
        golden=False,  # it is made anew
        by_id=False,
    )
    need_word(sealed, "record", store)
    contract = read_contract(sealed, store)
    wishes = Wishes(arguments=("record",), models=models, project=project)
    own = User(os.geteuid(), os.getegid())
    request = prepare(sealed, contract, wishes, own=own, environ=os.environ)
    place = next((mount.source for mount in request.mounts if mount.target == MODELS), None)
    if place is None:
        raise UsageError(
            f"there is no folder `models/{image}`", hint=f"train first: `mlimage run {image} train`"
        )
    requests = requests_in(
        found.image_folder(image) / spec.golden.cases,
        place / CASES,
        shown=f"images/{image}/{spec.golden.cases}",
    )
    need_models(place, spec.golden)
    choice = choose(runtime, os.environ)
    screen.progress.detail(choice.why)
    frozen = frozen_by(
        request,
        spec.golden,
        requests,
        run=lambda each: launch(
            shut_in(each, timeout),
            choice,
            store=store,
            cache=cache,
            progress=screen.progress,
            say=screen.progress.detail,
        ),
    )
    if no_server(contract) is None:
        serving = replace(wishes, arguments=("serve",), port="0")
        server = prepare(sealed, contract, serving, own=own, environ=os.environ)
        answered: list[Record] = []
        with screen.progress.task(f"requests to {sealed.name}"):
            serve_for(
                lambda running: answered.append(with_answers(frozen.record, sender(running))),
                replace(server, network=False),
                choice,
                store=store,
                cache=cache,
                progress=screen.progress,
            )
        frozen = replace(frozen, record=answered[0])
    for warning in overshadowed(frozen.record):
        screen.warn(warning)
    keep(frozen, folder, models=place)
    _show(frozen, folder.relative_to(found.root), image, screen, json=json)


def _drop(folder: Path, screen: "Screen") -> None:
    from mlimage.atomic import scratch_folder

    if os.path.lexists(folder):  # whatever lies there
        with scratch_folder(folder.parent) as scratch:
            folder.rename(scratch / folder.name)
    screen.progress.note(f"`{folder.parent.name}` has no golden record; the next build has no model")


def _show(frozen: "Frozen", folder: Path, image: str, screen: "Screen", *, json: bool) -> None:
    from mlimage.runtime.golden.compare import TIERS
    from mlimage.runtime.golden.record import digest_of

    record = frozen.record
    if json:
        screen.json(
            {
                "cases": [case.name for case in record.cases],
                "model": digest_of(record.model),
                "preprocess": digest_of(record.preprocess),
                "spread": frozen.spread,
                "tolerance": record.tolerance,
            }
        )
        return
    screen.say(f"{image}")
    screen.say(f"  cases       {len(record.cases)}")
    screen.say(f"  model       {digest_of(record.model)}")
    screen.say(f"  preprocess  {digest_of(record.preprocess)}")
    for stage, spreads in frozen.spread.items():
        for dtype, spread in spreads.items():
            tolerance = record.tolerance[stage].get(dtype, 0.0)
            more = ": more than usual" if tolerance > TIERS[stage].get(dtype, 0.0) else ""
            screen.say(f"  {stage:<10}  {dtype}, {spread:.1e} apart, {tolerance:.1e} allowed{more}")
    screen.say(f"  recorded    in {folder}; `mlimage build {image}` puts it into the image")
