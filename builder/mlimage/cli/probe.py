"""`mlimage probe`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from mlimage.cli.asking import Conditions, asked
from mlimage.cli.options import (
    TIMEOUT,
    CpusOption,
    EnvOption,
    GpusOption,
    ImageArgument,
    JsonOption,
    MemoryOption,
    RuntimeOption,
    TimeoutOption,
    VariantOption,
    VerboseOption,
)


def probe(
    image: ImageArgument,
    *,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            metavar="FILE",
            help="Hold it against this record of another machine, and name why it differs.",
            show_default=False,
        ),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option("--save", metavar="FILE", help="Write the record there.", show_default=False),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(
            "--group",
            metavar="NAME",
            help="Only `python`, `numpy`, `sklearn`, `torch`, `cuda`, …; may be repeated.",
            show_default=False,
        ),
    ] = None,
    variant: VariantOption = None,
    runtime: RuntimeOption = "auto",
    env: EnvOption = None,
    memory: MemoryOption = None,
    cpus: CpusOption = None,
    gpus: GpusOption = None,
    timeout: TimeoutOption = TIMEOUT,
    as_json: JsonOption = False,
    verbose: VerboseOption = None,
) -> None:
    """Say whether this machine computes right, and the same as another one.

    In the image, operations of each library that it has are computed on exact inputs, and each is judged by
    its truth: that needs no other machine. Against the record of another one they are compared bitwise, then
    by their largest difference over the largest number of a row (1e-5 in float32, 1e-10 in float64); which
    operations differ names the cause. --verbose shows them all. The status is 8 when one is wrong, or
    differs by more than it may.

    Examples:
      mlimage probe churn
      mlimage probe churn --save laptop.json
      mlimage probe ghcr.io/acme/churn:latest --against laptop.json
    """
    from mlimage.atomic import write_atomically
    from mlimage.cli.screen import Screen
    from mlimage.errors import UsageError, VerificationError
    from mlimage.runtime.probe.measure import GROUPS
    from mlimage.runtime.probe.record import parse_record
    from mlimage.runtime.probe.table import comparison_lines, record_lines
    from mlimage.runtime.probe.verdicts import compare
    from mlimage.runtime.words.probe import as_value
    from mlimage.verify.records import read_probe

    screen = Screen(json=as_json, verbose=verbose)
    for name in group or ():
        if name not in GROUPS:
            raise UsageError(f"--group: there is no `{name}`", hint=f"one of {', '.join(GROUPS)}")
    theirs = read_probe(against) if against else None
    conditions = Conditions(
        variant=variant,
        runtime=runtime,
        env=tuple(env or ()),
        memory=memory,
        cpus=cpus,
        gpus=gpus,
        timeout=timeout,
    )
    groups = [word for name in group or () for word in ("--group", name)]
    answer = asked(image, screen, conditions, "probe", "--save", "-", *groups)
    text = json.dumps(answer.said).encode()
    ours = parse_record(text)
    if save:
        write_atomically(save, text + b"\n")
    try:
        found = compare(ours, theirs) if theirs is not None else None
    except ValueError as error:
        raise UsageError(
            f"`{against}`: {error}", hint="make it anew: `mlimage probe IMAGE --save FILE`"
        ) from error
    if as_json:
        screen.json(as_value(ours, found))
    for line in record_lines(ours, every=bool(verbose)):
        screen.say(line)
    if found:
        screen.say("")
        for line in comparison_lines(found, every=bool(verbose)):
            screen.say(line)
    if not answer.well or (found and not found.agrees):
        raise typer.Exit(VerificationError.exit_status)
