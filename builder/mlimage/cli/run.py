"""`mlimage run`."""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlimage.cli.options import (
    CpusOption,
    EnvOption,
    GpusOption,
    ImageArgument,
    MemoryOption,
    ProjectOption,
    RuntimeOption,
    VariantOption,
    VerboseOption,
    roles,
)

if TYPE_CHECKING:
    from mlimage.spec.tags import RoleName


def run(
    image: ImageArgument,
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="train|serve|shell|-- COMMAND",
            autocompletion=roles,
            help="The role, with its own arguments behind `--`; or any command behind `--`.",
            show_default=False,
        ),
    ] = None,
    *,
    variant: VariantOption = None,
    runtime: RuntimeOption = "auto",
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            metavar="NAME=FOLDER|WORD",
            help="Folder or address of this data name of the image; or a word, as `cloud`, for which its "
            "spec names places.",
            show_default=False,
        ),
    ] = None,
    models: Annotated[
        Path | None,
        typer.Option(
            "--models",
            metavar="FOLDER",
            help="Where models are written and read; by default `models/NAME` in the project.",
            show_default=False,
        ),
    ] = None,
    env: EnvOption = None,
    port: Annotated[
        str | None,
        typer.Option(
            "--port",
            "-p",
            metavar="[ADDRESS:]PORT",
            help="Where the server is reached; by default its own port on 127.0.0.1. 0 is any free port.",
            show_default=False,
        ),
    ] = None,
    memory: MemoryOption = None,
    cpus: CpusOption = None,
    gpus: GpusOption = None,
    shm_size: Annotated[str, typer.Option("--shm-size", metavar="SIZE", help="Size of /dev/shm.")] = "1g",
    user: Annotated[
        str | None,
        typer.Option(
            "--user",
            metavar="UID[:GID]",
            help="Who it runs as; by default you, and for root the image's own user.",
            show_default=False,
        ),
    ] = None,
    writable: Annotated[
        bool, typer.Option("--writable", help="Let the image's files be written; what is written is lost.")
    ] = False,
    interactive: Annotated[
        bool, typer.Option("--interactive", "-i", help="Hand standard input to the command.")
    ] = False,
    health_timeout: Annotated[
        float,
        typer.Option("--health-timeout", metavar="SECONDS", min=0.1, help="Until a server must be healthy."),
    ] = 120.0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be run, as JSON, and run nothing.")
    ] = False,
    project: ProjectOption = Path(),
    json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="When it has ended, print what ran as JSON on standard output; what the command itself "
            "prints goes to standard error.",
        ),
    ] = False,
    verbose: VerboseOption = None,
) -> None:
    """Train, serve or open a shell in a sealed image.

    The exit status is that of the command. Ctrl-C is passed on, and a second one kills. For a server Ctrl-C
    is the ordinary end, with status 0 when it ends within 10 seconds.

    Examples:
      mlimage run churn train --data events=/mnt/events
      mlimage run churn train --data cloud        as `data:` in its mlimage.yaml says
      mlimage run churn train -- --epochs 3       arguments of the role
      mlimage run churn serve --port 9000
      mlimage run churn shell
      mlimage run churn train --json > ran.json
      mlimage run ghcr.io/acme/churn:latest serve
      mlimage run churn --runtime sandbox -- python -c 'import numpy'
    """
    from mlimage.cache import default_cache
    from mlimage.cli.asking import image_named
    from mlimage.cli.screen import Screen
    from mlimage.host.choose import choose
    from mlimage.host.contract import User, read_contract
    from mlimage.host.launch import dry_run as described
    from mlimage.host.launch import launch
    from mlimage.host.outcome import outcome
    from mlimage.host.prepare import Wishes, prepare
    from mlimage.oci.store import Store
    from mlimage.spec.project import find_project

    if project != Path():
        find_project(project)  # its folder of models is meant, and where it is none, no other
    screen = Screen(json=json, verbose=verbose)
    cache = default_cache(os.environ)
    store = Store(cache.store)
    asked = arguments[0] if arguments else None
    role: RoleName | None = "train" if asked == "train" else "serve" if asked == "serve" else None
    found = image_named(
        image,
        screen,
        cache,
        store,
        variant=variant,
        role=role,
        project=project,
        golden=role != "train",  # a new model needs no record of the one before
    )
    wishes = Wishes(
        arguments=tuple(arguments or ()),
        data=tuple(data or ()),
        models=models,
        project=project,
        env=tuple(env or ()),
        port=port,
        memory=memory,
        cpus=cpus,
        gpus=gpus,
        shm=shm_size,
        user=user,
        writable=writable,
        interactive=interactive,
        patience=health_timeout,
    )
    own = User(os.geteuid(), os.getegid())
    request = prepare(
        found, read_contract(found, store), wishes, own=own, environ=os.environ, acts=not dry_run
    )
    choice = choose(runtime, os.environ)
    screen.progress.detail(choice.why)
    if dry_run:
        screen.json(described(request, choice, cache))
        return
    started = datetime.now(UTC)
    status = launch(
        request,
        choice,
        store=store,
        cache=cache,
        progress=screen.progress,
        say=screen.progress.note,
        warn=screen.warn,
        output=sys.stderr.buffer if json else None,
        pass_signals=True,
    )
    if json:
        screen.json(outcome(request, choice, status=status, started=started, ended=datetime.now(UTC)))
    if status:
        raise typer.Exit(status)
