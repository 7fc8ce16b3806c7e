"""`mlimage cache`: what lies there, and what can go."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from mlimage.cli.options import JsonOption, VerboseOption
from mlimage.cli.screen import Screen
from mlimage.cli.style import size_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlimage.oci.prune import PrunePlan, Removal

cache = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    subcommand_metavar="VERB ...",
    help="List, prune and verify what was fetched and built.",
)


@cache.callback(invoke_without_command=True)
def _root(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@cache.command("ls", short_help="Show what is there, and its size.")
def ls(as_json: JsonOption = False, verbose: VerboseOption = None) -> None:
    """Show what the cache holds, and how much room it takes.

    Examples:
      mlimage cache ls
    """
    from mlimage.cache import default_cache
    from mlimage.oci.survey import survey

    screen = Screen(json=as_json, verbose=verbose)
    found = default_cache()
    parts = survey(found)
    if as_json:
        screen.json(
            {
                "folder": str(found.root),
                "size": sum(part.size for part in parts),
                "parts": [
                    {"name": part.name, "folder": str(part.folder), "count": part.count, "size": part.size}
                    for part in parts
                ],
            }
        )
        return
    screen.say(f"{found.root}: {size_text(sum(part.size for part in parts))}")
    screen.table(
        "",
        ("PART", "COUNT", "SIZE", "WHAT"),
        [(part.name, part.count, size_text(part.size), part.what) for part in parts],
    )


@cache.command("prune", short_help="Delete what no image needs.")
def prune(
    everything: Annotated[
        bool,
        typer.Option("--all", help="Also images, fetched files and bases: all that can be had again."),
    ] = False,
    older_than: Annotated[
        str | None,
        typer.Option(
            "--older-than",
            metavar="SPAN",
            help="Only what was written longer ago than this: `12h`, `30d`, `2w`.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go.")] = False,
    as_json: JsonOption = False,
    verbose: VerboseOption = None,
) -> None:
    """Delete what no image of the store needs, and say how much room that gave.

    An image stays that has its name, or that a project on this machine built or used last under that name.
    What another run of mlimage uses stays.

    Examples:
      mlimage cache prune
      mlimage cache prune --all --older-than 30d
    """
    from mlimage.cache import default_cache
    from mlimage.errors import UsageError
    from mlimage.oci.prune import plan_prune
    from mlimage.oci.prune import prune as delete
    from mlimage.oci.store import Store

    screen = Screen(json=as_json, verbose=verbose)
    found = default_cache()
    store = Store(found.store)
    now = time.time()
    before = _before(older_than, now)
    if dry_run or not found.root.is_dir():
        plan = plan_prune(found, store, everything=everything, before=before, now=now)
        _report(screen, plan, plan.removals, as_json=as_json, done=False)
        return
    with found.alone() as alone:
        if not alone:
            raise UsageError(
                f"another run of mlimage uses the cache `{found.root}`", hint="wait until it has ended"
            )
        plan = plan_prune(found, store, everything=everything, before=before, now=now)
        _report(screen, plan, delete(plan, store, now=now), as_json=as_json, done=True)


@cache.command("verify", short_help="Read all, and remove what is damaged.")
def verify(
    keep: Annotated[bool, typer.Option("--keep", help="Report what is damaged, and leave it.")] = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="Also read every file of unpacked bases and images.")
    ] = False,
    as_json: JsonOption = False,
    verbose: VerboseOption = None,
) -> None:
    """Read every fetched file and every blob, and remove those that are not what their names say.

    Unpacked bases and images are compared with what was noted when they were unpacked: sizes, modes and
    times of all files, and the content of those that were touched since. A tree that differs is removed.

    Ends with status 8 when anything is damaged. What was removed is fetched, built or unpacked again when
    it is needed.

    Examples:
      mlimage cache verify
      mlimage cache verify --deep      read the files of unpacked trees, too
    """
    from mlimage.cache import default_cache
    from mlimage.errors import VerificationError
    from mlimage.oci.store import Store
    from mlimage.oci.verify import to_verify, trees_to_verify, verify_trees
    from mlimage.oci.verify import verify as read_all

    screen = Screen(json=as_json, verbose=verbose)
    found = default_cache()
    store = Store(found.store)
    with found.in_use():
        files = to_verify(found, store)
        total = sum(path.stat().st_size for path in files)
        with screen.progress.task("verifying", total=total, unit="bytes") as task:
            result = read_all(files, store, remove=not keep, advance=task.advance)
        trees = trees_to_verify(found)
        with screen.progress.task("looking at unpacked trees", total=len(trees)) as task:
            looked = verify_trees(trees, found, deep=deep, remove=not keep, advance=task.advance)
    if as_json:
        screen.json(
            {
                "checked": result.checked,
                "size": result.size,
                "damaged": [str(path) for path in result.damaged],
                "removed": not keep,
                "incomplete": list(result.incomplete),
                "trees": {
                    "checked": looked.checked,
                    "damaged": [
                        {"path": str(tree.path), "changes": tree.count, "first": tree.first}
                        for tree in looked.damaged
                    ],
                    "unknown": [str(tree) for tree in looked.unknown],
                },
            }
        )
    else:
        screen.say(f"read {result.checked} files, {size_text(result.size)}")
        if trees:
            how = "read" if deep else "looked at"
            screen.say(f"{how} {looked.checked} unpacked {'tree' if looked.checked == 1 else 'trees'}")
        verdict = "damaged" if keep else "damaged, removed"
        for path in result.damaged:
            screen.say(f"{verdict}: {path}")
        for tree in looked.damaged:
            more = f", and {tree.count - 1} more" if tree.count > 1 else ""
            screen.say(f"{verdict}: {tree.path}: {tree.first}{more}")
        for unknown in looked.unknown:
            screen.say(f"not checked: {unknown}: an earlier mlimage unpacked it, without an inventory")
        for name in result.incomplete:
            screen.say(f"incomplete: {name}")
    if result.damaged or result.incomplete or looked.damaged:
        hint = f"`mlimage build {result.incomplete[0].partition(':')[0]}`" if result.incomplete else None
        counts = [(len(result.damaged), "damaged file"), (len(result.incomplete), "incomplete image")]
        if looked.damaged:
            counts.append((len(looked.damaged), "damaged tree"))
        raise VerificationError(
            ", ".join(f"{count} {what}{'' if count == 1 else 's'}" for count, what in counts), hint=hint
        )


def _before(span: str | None, now: float) -> float:
    from mlimage.errors import UsageError
    from mlimage.oci.prune import seconds_of

    if span is None:
        # A file whose time lies in the future is as good as any other.
        return float("inf")
    try:
        return now - seconds_of(span)
    except ValueError:
        raise UsageError(f"no span of time: `{span}`", hint="write `12h`, `30d` or `2w`") from None


def _report(
    screen: Screen, plan: "PrunePlan", removals: "Sequence[Removal]", *, as_json: bool, done: bool
) -> None:
    if as_json:
        screen.json(
            {
                "deleted": done,
                "size": sum(removal.size for removal in removals),
                "images": list(plan.names),
                "removals": [
                    {"kind": removal.kind, "path": str(removal.path), "size": removal.size}
                    for removal in removals
                ],
            }
        )
        return
    kinds = dict.fromkeys(removal.kind for removal in removals)
    rows = [
        (
            kind,
            sum(removal.kind == kind for removal in removals),
            size_text(sum(removal.size for removal in removals if removal.kind == kind)),
        )
        for kind in kinds
    ]
    if rows:
        screen.table("", ("WHAT", "COUNT", "SIZE"), rows)
    for name in plan.names:
        screen.say(f"image: {name}")
    verb = "freed" if done else "would free"
    screen.say(f"{verb} {size_text(sum(removal.size for removal in removals))}")
