"""Links of the application to what the layers below it have: they lead somewhere, or it is an error."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

from mlimage.atomic import note
from mlimage.content.entry import Entry, Kind
from mlimage.content.links import follow, is_mounted
from mlimage.digest import Digest, canonical_json
from mlimage.errors import BuildError
from mlimage.oci.blobstream import open_layer
from mlimage.oci.model import LayerBlob
from mlimage.oci.store import Store
from mlimage.oci.tree import OPAQUE, WHITEOUT
from mlimage.oci.untar import MemberKind, TarError, TarReader
from mlimage.plan.config import APP
from mlimage.plan.model import AppLayer, BuildPlan, PackageLayer
from mlimage.progress import Progress

_VENV: Final = "opt/venv"
"""Where alone the layers of packages have files."""


def check_links(
    plan: BuildPlan,
    own: Mapping[str, Sequence[Entry]],
    blobs: Mapping[str, LayerBlob],
    *,
    away: Collection[str],
    store: Store,
    known: Path,
    progress: Progress,
) -> None:
    """Refuse links of the application that lead to what neither the image nor a run of it has.

    Layers are read only where a link leads out of the application, and once for each set of them.

    Args:
        plan: what is built.
        own: the files of the application's layer and of others, by name of the layer.
        blobs: all layers, by name.
        away: names of those that are not in the store.
        store: has the others.
        known: folder where it is noted what was checked.
        progress: is told what cannot be checked.

    Raises:
        BuildError: names the link.
    """
    [app] = [layer for layer in plan.layers if isinstance(layer, AppLayer)]
    ends = _ends(own[app.name], app.data)
    if not ends:
        return
    in_packages = any(end.startswith(f"{_VENV}/") for end in ends.values())
    layers = [
        blobs[layer.name] for layer in plan.layers if in_packages or not isinstance(layer, PackageLayer)
    ]
    absent = next((layer.name for layer in layers if layer.name in away), None)
    if absent is not None:
        for path, end in ends.items():
            progress.note(
                f"warning: whether the image has `/{end}`, to which the app's link `{path}` leads, is not "
                f"checked: its layer `{absent}` is not on this machine"
            )
        return
    said = canonical_json({"layers": [layer.diff_id for layer in layers], "links": ends})
    checked = known / f"{Digest.of(said).hex}.links"
    if checked.is_file():
        return
    files = _files(layers, store)
    for path, end in ends.items():
        try:
            found = follow(end, files.get)
        except OSError:
            found = None
        if found is None or not (found in files or is_mounted(found, app.data)):
            raise BuildError(
                f"the app's link `{path}` leads to `/{end}`, which the image does not have",
                hint="copy the file into the app, or add the link to `app.ignore`",
            )
    note(checked, b"")


def _ends(entries: Sequence[Entry], data: Collection[str]) -> dict[str, str]:
    """Where links lead that end outside of the application, in what no container has by itself."""
    targets = {entry.path: entry.target for entry in entries if entry.kind is Kind.SYMLINK}
    found = {}
    for path in targets:
        end = follow(path, targets.get)
        if end != APP and not end.startswith(f"{APP}/") and not is_mounted(end, data):
            found[path.removeprefix(f"{APP}/")] = end
    return found


def _files(layers: Sequence[LayerBlob], store: Store) -> dict[str, str | None]:
    """All that the layers have by its path, with the target of what is a link; reads them all."""
    found: dict[str, str | None] = {"": None}
    for layer in layers:
        with open_layer(layer, store) as stream:
            try:
                for member in TarReader(stream):
                    path = member.path.removeprefix("./").strip("/")
                    folder, _, name = path.rpartition("/")
                    if name.startswith(WHITEOUT):
                        hidden = folder if name == OPAQUE else f"{folder}/{name[len(WHITEOUT) :]}".strip("/")
                        _hide(found, hidden, whole=name != OPAQUE)
                    else:
                        found[path] = member.target if member.kind is MemberKind.SYMLINK else None
            except TarError as error:
                stream.finish()  # whose error is the truer one
                raise BuildError(f"layer `{layer.name}` cannot be read: {error}") from error
            stream.finish()
    return found


def _hide(found: dict[str, str | None], path: str, *, whole: bool) -> None:
    for below in [each for each in found if each.startswith(f"{path}/")]:
        del found[below]
    if whole:
        found.pop(path, None)
