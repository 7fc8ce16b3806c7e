"""What a build gave, for people and for machines."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mlimage.cli.style import size_text

if TYPE_CHECKING:
    from mlimage.cli.screen import Screen
    from mlimage.daemon.bring import Brought
    from mlimage.engines.build import Built
    from mlimage.host.imports.check import Checked

_SHOWN: Final = 10
"""Files of steps that are named."""


def show_built(
    screen: "Screen",
    built: "Built",
    brought: "Brought | None",
    checked: "Checked | None" = None,
    *,
    outputs: Sequence[str] = (),
    recorded: Path | None = None,
) -> None:
    """For people, with where it was written, and where its layers were recorded."""
    image = built.image
    made = [layer for layer in built.layers if layer.made]
    packed = sum(layer.blob.blob.size for layer in built.layers)
    new = sum(layer.blob.blob.size for layer in made)
    screen.say(f"{image.name}")
    screen.say(f"  digest    {image.digest}")
    screen.say(f"  image id  {image.image_id}")
    away = [layer for layer in built.layers if not layer.here]
    parts = [f"{len(made)} made now, {size_text(new)}" if made else "nothing changed"]
    if away:
        parts.append(
            f"{len(away)} stayed in the registry, {size_text(sum(each.blob.blob.size for each in away))}"
        )
    screen.say(f"  layers    {len(built.layers)}, {size_text(packed)} packed; {'; '.join(parts)}")
    if brought:
        moved = "it was there" if brought.way == "there" else f"{brought.moved / 1e6:.1f} MB moved"
        screen.say(f"  loaded    into {brought.engine} as {brought.reference}; {moved}")
    if away:
        screen.say("  here      not all of it: `mlimage pull` brings the rest")
    for place in outputs:
        screen.say(f"  written   to {place}")
    if recorded:
        screen.say(f"  recorded  in {recorded}")
    if checked and checked.fresh and not checked.troubles:
        count = checked.packages - len(checked.without_driver)
        screen.say(f"  imported  {count} dependenc{'y' if count == 1 else 'ies'} of the spec")
    for path in built.differing[:_SHOWN]:
        screen.say(f"  not reproducible: {path}")
    if len(built.differing) > _SHOWN:
        screen.say(f"  not reproducible: {len(built.differing) - _SHOWN} more; `--json` lists all")
    if built.unrecorded:
        screen.progress.detail(
            f"not recorded: {', '.join(built.unrecorded)}; `mlimage build "
            f"{image.name.partition(':')[0]} --record` notes them"
        )


def note_unchecked(screen: "Screen", checked: "Checked", name: str) -> None:
    """Say what was not imported, and why."""
    if checked.unchecked:
        screen.progress.note(f"the imports of {name} are not checked: {checked.unchecked}")
    for package, library in checked.without_driver.items():
        screen.progress.note(
            f"`{package}` is not imported: it needs `{library}`, which the host's NVIDIA driver brings"
        )


def built_json(built: "Built", brought: "Brought | None", checked: "Checked | None" = None) -> dict[str, Any]:
    """For machines."""
    loaded = brought and {
        "engine": brought.engine,
        "reference": brought.reference,
        "id": brought.identity,
        "way": brought.way,
        "moved": brought.moved,
    }
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
                "here": layer.here,
            }
            for layer in built.layers
        ],
        "unrecorded": list(built.unrecorded),
        "not_reproducible": list(built.differing),
        "loaded": loaded,
        "imports": checked and _checked_json(checked),
    }


def _checked_json(checked: "Checked") -> dict[str, Any]:
    return {
        "packages": checked.packages,
        "unchecked": checked.unchecked,
        "without_driver": dict(checked.without_driver),
        "failed": [
            {
                "package": each.package,
                "where": each.where,
                "module": each.module or None,
                "error": each.error,
                "because": list(each.lines),
                "hint": each.hint,
            }
            for each in checked.troubles
        ],
    }
