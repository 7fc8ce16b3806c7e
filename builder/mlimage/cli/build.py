"""`mlimage build`."""

import os
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mlimage.cli.building import engine_of, inputs_opener
from mlimage.cli.options import (
    JsonOption,
    NamesArgument,
    PlatformOption,
    ProjectOption,
    RoleOption,
    VariantOption,
    VerboseOption,
    narrower,
)
from mlimage.cli.publish import (
    AttestOption,
    ForceOption,
    PlainHttpOption,
    Publication,
    SignOption,
    TagOption,
    ToOption,
    TransparencyLogOption,
    place_of,
    publish,
    signer_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlimage.daemon.connect import Daemon
    from mlimage.engines.choose import Choice
    from mlimage.lock.model import Lock


def build(
    context: typer.Context,
    names: NamesArgument = None,
    *,
    variant: VariantOption = None,
    platform: PlatformOption = None,
    role: RoleOption = None,
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
    engine: Annotated[
        Literal["auto", "direct", "docker"],
        typer.Option(
            "--engine",
            metavar="auto|direct|docker",
            help="What builds: `direct` needs no Docker; `docker` lets BuildKit run the rendered Dockerfile; "
            "`auto` is direct, and docker for what only that can (`run:` steps, templates).",
        ),
    ] = "auto",
    secret: Annotated[
        list[str] | None,
        typer.Option(
            "--secret",
            metavar="NAME=FILE|NAME=env:VARIABLE",
            help="Hand a secret to the `run:` steps that ask for it; may be repeated.",
            show_default=False,
        ),
    ] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Let BuildKit run every step of the Dockerfile again.")
    ] = False,
    strict_reproducible: Annotated[
        bool,
        typer.Option(
            "--strict-reproducible",
            help="Exit with status 7 where `run:` steps leave other files than were recorded, or nothing is "
            "recorded.",
        ),
    ] = False,
    load: Annotated[
        bool | None,
        typer.Option(
            "--load/--no-load",
            help="Also bring the image into Docker as NAME:VARIANT; only the layers that it lacks move. By "
            "default where the docker engine builds.",
            show_default=False,
        ),
    ] = None,
    push: Annotated[
        bool,
        typer.Option(
            "--push",
            help="Also push, as `mlimage push` does. Layers that the registry has are neither fetched nor "
            "made, as far as digests.toml says which they are.",
        ),
    ] = False,
    to: ToOption = None,
    tags: TagOption = None,
    force: ForceOption = False,
    attest: AttestOption = True,
    layer_cache: Annotated[
        str | None,
        typer.Option(
            "--cache",
            metavar="REGISTRY/PATH",
            envvar="MLIMAGE_CACHE_REPO",
            help="A repository that keeps layers: those that digests.toml knows come from it, and it gets "
            "those that it lacks.",
            show_default=False,
        ),
    ] = None,
    plain_http: PlainHttpOption = False,
    sign: SignOption = None,
    transparency_log: TransparencyLogOption = False,
    no_check: Annotated[
        bool,
        typer.Option(
            "--no-check", help="Do not try whether the spec's dependencies can be imported in the image."
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
    verbose: VerboseOption = None,
) -> None:
    """Turn spec and lock into one sealed image in the local store.

    The same spec and lock give the same image id and digest on every machine. Layers that were made
    before are not made again, whatever image they were made for. Nothing is resolved here: a lock that is
    missing or stale is an error, and `mlimage lock` mends it.

    At the end the spec's dependencies are imported in the image, without a network; what cannot be is said,
    with who asks for what is missing (status 7). That is done once for the same layers.

    Examples:
      mlimage build                       every image of the project
      mlimage build churn                 one image
      mlimage build churn --record        note the digests, for CI to compare with
      mlimage build churn --load          and have it in Docker, for `docker run churn:cpu`
      mlimage build churn -o docker-archive:- | ssh there docker load
      mlimage build --push --to ghcr.io/acme --tag latest     in CI
    """
    from mlimage.cache import default_cache
    from mlimage.cli.built import built_json, note_unchecked, show_built
    from mlimage.cli.remotes import Remotes
    from mlimage.cli.screen import Screen
    from mlimage.daemon.bring import bring
    from mlimage.engines.build import build_image
    from mlimage.engines.choose import choose
    from mlimage.engines.docker.secrets import parse_secrets, secrets_of
    from mlimage.engines.golden import trained_since
    from mlimage.errors import UsageError
    from mlimage.host.imports.check import check_imports, direct_dependencies, refuse, where
    from mlimage.lock.check import check
    from mlimage.lock.records import FILE
    from mlimage.lock.text import read_lock, read_others
    from mlimage.lock.variants import check_variants
    from mlimage.oci.archive import archive_size, write_output
    from mlimage.oci.store import Store
    from mlimage.plan.decide import plan
    from mlimage.release.index import Member, member_of
    from mlimage.release.target import tag_of
    from mlimage.spec.project import find_project

    outputs = output or []
    place = _place(context, to, tags, sign, push=push)
    moving = tuple(tag_of(text) for text in dict.fromkeys(tags or ()))
    to_stdout = _goes_to_stdout(outputs, json=json)
    screen = Screen(json=json, verbose=verbose)
    found = find_project(project)
    cache = default_cache(os.environ)
    store = Store(cache.store)
    chosen = found.select(names or (), variant=variant, platform=platform, role=role)
    if outputs and len(chosen) > 1:
        raise UsageError("`--output` takes one image", hint=narrower([tag for _, tag in chosen]))
    plans = []
    for spec, tag in chosen:
        folder = found.lock_folder(spec.spec.name)
        lock = read_lock(folder, tag.of_lock)
        check(spec, lock)
        check_variants(spec, read_others(folder, spec, lock))
        planned = plan(spec, lock, tag.role)
        chosen_engine = choose(engine, planned)
        screen.progress.detail(chosen_engine.why)
        loads = load is True or (load is None and chosen_engine.engine == "docker")
        plans.append((spec, lock, planned, chosen_engine, loads))
    # What cannot be had is said before anything is built.
    secrets = parse_secrets(
        secret or (), [planned.dockerfile for _, _, planned, _, _ in plans], environ=os.environ
    )
    signer = signer_of(sign, transparency_log=transparency_log, plain=plain_http)
    daemon = _daemon([chosen for *_, chosen, _ in plans], loads=any(loads for *_, loads in plans))
    results = []
    failed = []
    images: dict[str, list[tuple[Member, Lock]]] = {}
    with (
        cache.in_use(),
        Remotes(to=place, cache=layer_cache, plain=plain_http, store=store, screen=screen) as remotes,
    ):
        for spec, lock, planned, chosen_engine, loads in plans:
            with ExitStack() as stack:
                built = build_image(
                    planned,
                    folder=found.image_folder(planned.image),
                    lock_folder=found.lock_folder(planned.image),
                    project=found.root,
                    record=record,
                    strict=strict_reproducible,
                    engine=engine_of(
                        chosen_engine.engine,
                        found.root,
                        secrets_of(secrets, planned.dockerfile),
                        cached=not no_cache,
                    ),
                    fresh=no_cache,
                    # BuildKit needs what layers are made of.
                    elsewhere=remotes.layers_for(planned.image, stay=not (loads or outputs))
                    if chosen_engine.engine == "direct"
                    else None,
                    inputs=inputs_opener(stack, spec, planned.variant, cache, screen),
                    cache=cache,
                    store=store,
                    progress=screen.progress,
                    jobs=jobs,
                )
                for output_place in outputs:
                    with screen.progress.task(
                        f"writing {output_place}", total=archive_size(built.image), unit="bytes"
                    ) as task:
                        write_output(built.image, store, output_place, advance=task.advance)
                brought = bring(daemon, built.image, store, screen.progress) if daemon and loads else None
            remotes.keep(built)
            checked = (
                None
                if no_check
                else check_imports(
                    built,
                    planned,
                    direct_dependencies(spec, lock, planned),
                    lock,
                    place=partial(where, os.environ, daemon if loads else None, may_load=load is not False),
                    store=store,
                    cache=cache,
                    progress=screen.progress,
                )
            )
            if checked:
                note_unchecked(screen, checked, planned.name)
            if checked and checked.troubles:
                failed.append((planned.name, checked))
            trained = trained_since(planned, found.image_folder(planned.image))
            if trained is not None:
                screen.progress.note(
                    f"the image has the frozen model, and not `{trained.relative_to(found.root)}`, which was "
                    f"trained since: `mlimage freeze {planned.image}` takes this one"
                )
            images.setdefault(planned.image, []).append((member_of(planned, built.image), lock))
            results.append(built_json(built, brought, checked))
            if not to_stdout:
                folder = found.lock_folder(planned.image).relative_to(found.root)
                recorded = folder / FILE if record else None
                show_built(screen, built, brought, checked, outputs=outputs, recorded=recorded)
        if failed and json:
            screen.json(results)
        refuse(failed)
        if push:
            specs = {spec.spec.name: spec.spec for spec, *_ in plans}
            publications = [
                Publication(destination=remotes.destination(name), spec=specs[name], images=each)
                for name, each in images.items()
            ]
            pushed = publish(
                publications,
                tags=moving,
                force=force,
                attest=attest,
                project=found.root,
                store=store,
                scans=cache.scans,
                screen=screen,
                signer=signer,
            )
    if json:
        screen.json({"built": results, "pushed": pushed} if push else results)


def _place(
    context: typer.Context, to: str | None, tags: list[str] | None, sign: str | None, *, push: bool
) -> str | None:
    """Where to push; raises `UsageError` when only one of both is said."""
    from mlimage.errors import UsageError

    if push:
        return place_of(to)
    source = context.get_parameter_source("to")  # the environment may always say it
    for option, given in (
        ("--to", source and source.name == "COMMANDLINE"),
        ("--tag", bool(tags)),
        ("--sign", sign is not None),
    ):
        if given:
            raise UsageError(f"`{option}` is for what is pushed", hint="add `--push`")
    return None


def _daemon(choices: "Sequence[Choice]", *, loads: bool) -> "Daemon | None":
    """The engine of containers, where one builds or gets the image."""
    builds = [choice for choice in choices if choice.engine == "docker"]
    if builds:
        from mlimage.engines.docker.ready import ready

        needs = dict.fromkeys(need for choice in builds for need in choice.needs)
        return ready(os.environ, needs=tuple(needs))
    if loads:
        from mlimage.daemon.connect import connect

        return connect(os.environ)
    return None


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
