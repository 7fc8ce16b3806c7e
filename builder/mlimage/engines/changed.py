"""How the files of a project differ from those that an image was built from, for people."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from mlimage.content.entry import Entry, Kind
from mlimage.digest import Digest
from mlimage.engines.own import own_files
from mlimage.errors import BuildError
from mlimage.oci.blobstream import open_layer
from mlimage.oci.model import LayerBlob, SealedImage
from mlimage.oci.store import Store
from mlimage.oci.untar import Member, MemberKind, TarError, TarReader
from mlimage.plan.config import APP
from mlimage.plan.model import AppLayer, BuildPlan, RecipeLayer
from mlimage.plan.recipe import FOLDER, LOCK

_SHOWN: Final = 3
"""Files of each kind that are named."""
_KINDS: Final = {
    MemberKind.FILE: Kind.FILE, MemberKind.SYMLINK: Kind.SYMLINK, MemberKind.DIRECTORY: Kind.DIRECTORY,
}  # fmt: skip


def changes(image: SealedImage, store: Store, plan: BuildPlan, folder: Path) -> tuple[str, ...]:
    """What differs in spec, lock and application, a line each; none where all of it is equal.

    Args:
        image: an image of the store.
        store: has it.
        plan: what a build would do now.
        folder: the image's folder in the project.

    Raises:
        BuildError: a layer of the image is damaged, or an application cannot be read.
    """
    layers = {layer.name: layer for layer in image.layers}
    lines: list[str] = []
    for planned in plan.layers:
        if isinstance(planned, RecipeLayer | AppLayer):
            built = layers.get(planned.name)
            if built is None:
                return ("it does not say what it was built from",)
            entries = own_files(planned, plan, folder)
            if isinstance(planned, RecipeLayer):
                lines += _recipe_lines(_differing(entries, built, store, below=f"{FOLDER}/"))
            else:
                lines += _lines("app", _differing(entries, built, store, below=f"{APP}/"))
    return tuple(lines)


def _recipe_lines(differing: Mapping[str, str]) -> Iterator[str]:
    lock = f"{LOCK}/"
    yield from _lines("spec", {path: how for path, how in differing.items() if not path.startswith(lock)})
    yield from _lines(
        "lock", {path.removeprefix(lock): how for path, how in differing.items() if path.startswith(lock)}
    )


def _lines(what: str, differing: Mapping[str, str]) -> Iterator[str]:
    if differing:
        shown = ", ".join(f"`{path}` {how}" for path, how in list(differing.items())[:_SHOWN])
        more = len(differing) - _SHOWN
        yield f"{what}: {shown}" + (f" and {more} more" if more > 0 else "")


def _differing(entries: Sequence[Entry], built: LayerBlob, store: Store, *, below: str) -> dict[str, str]:
    """How each path below a folder differs that does, sorted; without the folder."""
    here = {
        entry.path: entry
        for entry in entries
        if entry.kind is not Kind.DIRECTORY and entry.path.startswith(below)
    }
    there: set[str] = set()
    found = {}
    with open_layer(built, store) as stream:
        reader = TarReader(stream)
        try:
            for member in reader:
                path = member.path.rstrip("/")
                if member.kind is MemberKind.DIRECTORY or not path.startswith(below):
                    continue
                there.add(path)
                if path not in here:
                    found[path] = "removed"
                elif not _equal(here[path], member, reader):
                    found[path] = "changed"
        except TarError as error:
            raise BuildError(f"layer `{built.name}` cannot be read: {error}") from error
    found |= dict.fromkeys(here.keys() - there, "added")
    return {path.removeprefix(below): how for path, how in sorted(found.items())}


def _equal(entry: Entry, member: Member, reader: TarReader) -> bool:
    look = (entry.kind, entry.mode, entry.size, entry.target)
    if look != (_KINDS.get(member.kind), member.mode, member.size, member.target):
        return False
    if entry.open is None:
        return True
    digest = hashlib.sha256()
    for chunk in reader.content():  # which may be larger than memory
        digest.update(chunk)
    with entry.open() as stream:
        return Digest.of_stream(stream) == Digest.from_hex(digest.hexdigest())
