"""`mlimage fingerprint`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
from mlimage.cli.screen import Screen

if TYPE_CHECKING:
    from mlimage.verify.fingerprints import Difference


def fingerprint(
    image: ImageArgument,
    *,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            metavar="FILE",
            help="Say how it differs from this fingerprint, or from that in a record of a probe.",
            show_default=False,
        ),
    ] = None,
    exit_code: Annotated[
        bool,
        typer.Option("--exit-code", help="With --against: end with status 8 when numbers may differ."),
    ] = False,
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
    """Show what this machine and an image are, numerically: all that decides which bits come out.

    Libraries with the code paths that they took on this CPU, threads, precision, limits, variables. Two
    machines with equal software and the same class give the same bits. It has no names and no paths.

    Examples:
      mlimage fingerprint churn
      mlimage fingerprint churn --json > laptop.json
      mlimage fingerprint ghcr.io/acme/churn:latest --against laptop.json
    """
    from mlimage.errors import VerificationError
    from mlimage.runtime.words.fingerprint import lines
    from mlimage.verify.fingerprints import differences
    from mlimage.verify.records import read_fingerprint

    screen = Screen(json=as_json, verbose=verbose)
    theirs = read_fingerprint(against) if against else None
    conditions = Conditions(
        variant=variant,
        runtime=runtime,
        env=tuple(env or ()),
        memory=memory,
        cpus=cpus,
        gpus=gpus,
        timeout=timeout,
    )
    ours = asked(image, screen, conditions, "fingerprint", "--json").said
    if theirs is None:
        if as_json:
            screen.json(ours)
        for line in lines(ours):
            screen.say(line)
        return
    found = differences(theirs, ours)
    if as_json:
        screen.json(as_value(theirs, ours, found))
    else:
        _show(theirs, ours, found, screen)
    if exit_code and any(difference.severity != "cosmetic" for difference in found):
        raise typer.Exit(VerificationError.exit_status)


def as_value(old: dict[str, Any], new: dict[str, Any], found: "tuple[Difference, ...]") -> dict[str, Any]:
    """The differences as `--json` prints them."""
    from mlimage.verify.fingerprints import summary, value_of

    return {
        "summary": summary(old, new, found),
        "numeric_class": {"old": old["numeric_class"], "new": new["numeric_class"]},
        "differences": [value_of(each) for each in found],
    }


def _show(old: dict[str, Any], new: dict[str, Any], found: "tuple[Difference, ...]", screen: Screen) -> None:
    from mlimage.verify.fingerprints import SEVERITIES, readable, summary

    for severity, meaning in SEVERITIES.items():
        rows = [
            (each.field, readable(each.old), readable(each.new), each.why)
            for each in found
            if each.severity == severity
        ]
        if rows:
            screen.table(f"{severity}: {meaning}", ("FIELD", "THERE", "HERE", "WHAT"), rows)
            screen.say("")
    grave = [each.cause for each in found if each.cause and each.severity != "cosmetic"]
    for cause in dict.fromkeys(grave):
        screen.say(f"cause {cause.id}: {cause.title}")
        screen.say(f"  fix: {cause.fix}")
    if old["numeric_class"] != new["numeric_class"]:
        screen.say(f"class there: {old['numeric_class']}")
        screen.say(f"class here:  {new['numeric_class']}")
    screen.say(summary(old, new, found))
