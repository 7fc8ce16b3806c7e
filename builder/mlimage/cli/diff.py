"""`mlimage diff`: how two images differ, wherever they lie."""

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from mlimage.cli.options import JsonOption, VerboseOption, images
from mlimage.cli.screen import Screen
from mlimage.cli.style import size_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlimage.verify.diff.model import (
        ByteDifference,
        FileFacts,
        Identity,
        ImageDiff,
        LayerChange,
        LayerFacts,
        PackageChange,
    )

_ROWS: Final = 40
_ROWS_OF_A_LAYER: Final = 10
_WHOLE_LAYERS: Final = 3
_DUMPS: Final = 10
"""So many lines of a kind are for people; `--json` has all."""
_MARKS: Final = {"added": "+", "removed": "-", "changed": "~", "moved": "~"}


def diff(
    old: Annotated[
        str,
        typer.Argument(
            metavar="A",
            autocompletion=images,
            help="NAME, NAME:VARIANT or a digest, of the store; or `oci:DIR`, "
            "`oci-archive:FILE`, `docker-archive:FILE`, with `:NAME` or `@DIGEST` where there are several.",
            show_default=False,
        ),
    ],
    new: Annotated[
        str, typer.Argument(metavar="B", autocompletion=images, help="Likewise.", show_default=False)
    ],
    *,
    deep: Annotated[
        bool, typer.Option("--deep", help="Also show the first bytes of each file that differ.")
    ] = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="End with status 8 when the images differ.")
    ] = False,
    as_json: JsonOption = False,
    verbose: VerboseOption = None,
) -> None:
    """Show how two images differ: configuration, packages, layers and files.

    The images may be from any tool. They are identical when they have one image id, which is to say equal
    configuration and equal layers, however these are packed; the last line says so. Layers that differ are
    read, and verified; nothing is unpacked.

    Examples:
      mlimage diff digits:cpu digits:cuda
      mlimage diff sha256:DIGEST digits --deep             an earlier build, and the last one
      docker save demo > demo.tar && mlimage diff demo docker-archive:demo.tar
      mlimage diff oci:dist oci-archive:dist.tar --exit-code && echo identical
    """
    from mlimage.cache import default_cache
    from mlimage.cli.finding import image_here
    from mlimage.errors import VerificationError
    from mlimage.oci.places import find_image
    from mlimage.oci.store import Store
    from mlimage.verify.diff.compare import compare_images

    screen = Screen(json=as_json, verbose=verbose)
    cache = default_cache()
    store = Store(cache.store)
    with cache.in_use():
        first, second = (
            find_image(text, store, named=lambda name: image_here(name, cache, store)) for text in (old, new)
        )
        found = compare_images(first, second, deep=deep, progress=screen.progress)
    if as_json:
        screen.json(as_value(found))
    else:
        show_diff(found, screen)
    if exit_code and not found.identical:
        raise typer.Exit(VerificationError.exit_status)


def as_value(diff: "ImageDiff") -> dict[str, Any]:
    """The differences as `--json` prints them."""
    return {
        "identical": diff.identical,
        "old": _identity(diff.old),
        "new": _identity(diff.new),
        "config": [
            {"key": value.key, "name": value.name, "old": value.old, "new": value.new}
            for value in diff.config
        ],
        "packages": [
            {"type": package.type, "name": package.name, "old": package.old, "new": package.new}
            for package in diff.packages
        ],
        "layers": [
            {
                "status": layer.status,
                "reason": layer.reason or None,
                "old": _layer(layer.old),
                "new": _layer(layer.new),
            }
            for layer in diff.layers
        ],
        "files": [
            {
                "path": change.path,
                "parts": change.parts,
                "old": _file(change.old),
                "new": _file(change.new),
                **({"bytes": _bytes(change.bytes)} if change.bytes else {}),
            }
            for change in diff.files
        ],
    }


def _identity(image: "Identity") -> dict[str, Any]:
    return {
        "name": image.name,
        "digest": image.digest,
        "image_id": image.image_id,
        "platform": image.platform,
    }


def _layer(layer: "LayerFacts | None") -> dict[str, Any] | None:
    if layer is None:
        return None
    return {
        "name": layer.name,
        "position": layer.position,
        "diff_id": layer.diff_id,
        "digest": layer.digest,
        "size": layer.size,
    }


def _file(file: "FileFacts | None") -> dict[str, Any] | None:
    if file is None:
        return None
    return {
        "kind": file.kind,
        "mode": f"{file.mode:04o}",
        "uid": file.uid,
        "gid": file.gid,
        "size": file.size,
        "digest": file.digest,
        "target": file.target,
        "mtime": file.mtime,
        "layer": file.layer,
    }


def _bytes(difference: "ByteDifference") -> dict[str, Any]:
    return {
        "offset": difference.offset,
        "end": difference.end,
        "at": difference.at,
        "old": difference.old.hex(),
        "new": difference.new.hex(),
    }


def show_diff(diff: "ImageDiff", screen: Screen) -> None:
    """The differences for people."""
    from mlimage.verify.diff.explain import summary

    screen.table(
        "",
        ("", "IMAGE", "DIGEST", "IMAGE ID", "PLATFORM"),
        [
            (
                mark,
                image.name,
                image.digest.short if image.digest else "-",
                image.image_id.short,
                image.platform,
            )
            for mark, image in (("-", diff.old), ("+", diff.new))
        ],
    )
    _show_config(diff, screen)
    _show_packages(diff.packages, screen)
    _show_layers(diff.layers, screen)
    _show_files(diff, screen)
    _show_bytes(diff, screen)
    screen.say("")
    screen.say(summary(diff))


def _show_config(diff: "ImageDiff", screen: Screen) -> None:
    from mlimage.verify.diff.explain import HISTORY, config_name, config_text

    values = [value for value in diff.config if value.key != HISTORY]
    history = len(diff.config) - len(values)
    if diff.config:
        screen.say("")
        screen.say("configuration")
    for value in values[:_ROWS]:
        mark = "+" if value.old is None else "-" if value.new is None else "~"
        screen.say(f"{mark}  {config_name(value)}")
        for side, each in (("-", value.old), ("+", value.new)):
            # Of a port it is enough to know that it is there.
            if each not in (None, {}):
                screen.say(f"   {side} {config_text(each)}")
    _say_more(len(values) - _ROWS, screen)
    if history:
        screen.say(f"~  {HISTORY}, {history:,} entr{'y' if history == 1 else 'ies'}")


def _show_packages(packages: "Sequence[PackageChange]", screen: Screen) -> None:
    rows = [
        (
            "+" if not package.old else "-" if not package.new else "~",
            package.type,
            package.name,
            ", ".join(package.old) or "-",
            ", ".join(package.new) or "-",
        )
        for package in packages
    ]
    if rows:
        screen.say("")
        screen.table("packages", ("", "TYPE", "PACKAGE", "OLD", "NEW"), rows[:_ROWS])
        _say_more(len(rows) - _ROWS, screen)


def _show_layers(layers: "Sequence[LayerChange]", screen: Screen) -> None:
    from mlimage.verify.diff.explain import layer_name, layer_text

    rows = [
        (
            _MARKS[layer.status],
            layer_name(layer),
            layer.old.diff_id.short if layer.old else "-",
            layer.new.diff_id.short if layer.new else "-",
            size_text(layer.old.size) if layer.old else "-",
            size_text(layer.new.size) if layer.new else "-",
            layer_text(layer),
        )
        for layer in layers
        if layer.status != "same"
    ]
    if rows:
        screen.say("")
        screen.table(
            f"layers, bottom first; {len(layers) - len(rows)} unchanged",
            ("", "LAYER", "OLD", "NEW", "OLD SIZE", "NEW SIZE", "HOW"),
            rows[:_ROWS],
        )
        _say_more(len(rows) - _ROWS, screen)


def _show_files(diff: "ImageDiff", screen: Screen) -> None:
    from mlimage.verify.diff.explain import by_layer, file_rows, layer_name, one_line, time_only

    whole = {layer_name(layer) for layer in diff.layers if layer.status in {"added", "removed"}}
    whole = whole if len(whole) > _WHOLE_LAYERS else set()
    for name, rows in by_layer(diff, file_rows(diff.files)):
        if name in whole:
            continue
        screen.say("")
        screen.table(
            f"files of {one_line(name)}" if name else "files",
            ("", "FILE", "HOW"),
            [(row.mark, row.path, row.what) for row in rows[:_ROWS_OF_A_LAYER]],
        )
        _say_more(len(rows) - _ROWS_OF_A_LAYER, screen)
    if whole:
        screen.say("")
        screen.say(f"files of {len(whole)} layers that were added or removed: --json lists them")
    older = sum(map(time_only, diff.files))
    if older:
        screen.say("")
        screen.say(f"files that differ in their time alone: {older:,}; --json lists them")


def _show_bytes(diff: "ImageDiff", screen: Screen) -> None:
    from mlimage.verify.diff.explain import dump, one_line

    found = [(change.path, change.bytes) for change in diff.files if change.bytes is not None]
    for path, difference in found[:_DUMPS]:
        screen.say("")
        first, *lines = dump(difference)
        screen.say(f"{one_line(path)}: {first}")
        for line in lines:
            screen.say(f"  {line}")
    _say_more(len(found) - _DUMPS, screen)


def _say_more(count: int, screen: Screen) -> None:
    if count > 0:
        screen.say(f"… and {count:,} more; --json lists all")
