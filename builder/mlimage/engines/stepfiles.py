"""What the steps of a build left, file by file, held against what they left before."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlimage.digest import Digest
from mlimage.engines.layers import BuiltLayer
from mlimage.errors import BuildError
from mlimage.lock.steps import StepsRecord, read_steps, write_steps
from mlimage.oci.blobstream import open_layer
from mlimage.oci.store import Store
from mlimage.oci.tree import OPAQUE, WHITEOUT
from mlimage.oci.untar import Member, MemberKind, TarReader
from mlimage.plan.model import AptLayer, BuildPlan, StepsLayer

LABEL: Final = "dev.mlimage.not-reproducible"
"""Label of an image whose steps left something else than was recorded: the files."""
_NAMED: Final = 20
"""Files that the label and an error name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """How the steps did.

    Attributes:
        differing: paths that they left otherwise than was recorded.
        unrecorded: names of their layers of which nothing is recorded, or of other inputs.
    """

    differing: tuple[str, ...] = ()
    unrecorded: tuple[str, ...] = ()


def record_steps(plan: BuildPlan, layers: Sequence[BuiltLayer], store: Store, lock_folder: Path) -> None:
    """Note what the steps left; raises `BuildError` when a layer is missing or damaged."""
    records = [what_steps_left(layer, store) for layer in layers if _is_of_steps(layer)]
    write_steps(lock_folder, str(plan.tag), plan.image, records)


def compare_steps(
    plan: BuildPlan, layers: Sequence[BuiltLayer], store: Store, lock_folder: Path, *, strict: bool
) -> Compared:
    """Hold what the steps left against the record.

    Args:
        plan: the build.
        layers: what it gave.
        store: has the layers.
        lock_folder: where the record is.
        strict: a difference, or nothing to compare with, is an error.

    Raises:
        BuildError: `strict`, and they are not shown to be reproducible; or a layer is damaged.
        LockError: the record cannot be read.
    """
    of_steps = [layer for layer in layers if _is_of_steps(layer)]
    if not of_steps:
        return Compared()
    recorded = {record.layer: record for record in read_steps(lock_folder, str(plan.tag))}
    unrecorded = []
    paths: list[str] = []
    for layer in of_steps:
        before = recorded.get(layer.layer.name)
        if before is None or before.key != layer.key:
            unrecorded.append(layer.layer.name)
        elif before.diff_id != layer.blob.diff_id:
            paths += differing(before, what_steps_left(layer, store))
    if strict and (paths or unrecorded):
        raise _not_shown(plan, paths, unrecorded)
    return Compared(differing=tuple(paths), unrecorded=tuple(unrecorded))


def label_of(differing: Sequence[str]) -> tuple[str, str]:
    """The label that says so: the files, as far as there is room."""
    more = f" and {len(differing) - _NAMED} more" if len(differing) > _NAMED else ""
    return LABEL, " ".join(differing[:_NAMED]) + more


def _not_shown(plan: BuildPlan, paths: Sequence[str], unrecorded: Sequence[str]) -> BuildError:
    name = plan.name
    if not paths:
        return BuildError(
            f"nothing is recorded to hold the steps of `{name}` against ({', '.join(unrecorded)})",
            hint=f"`mlimage build {plan.image} --record` notes what they leave; build it again elsewhere",
        )
    shown = "".join(f"\n  not reproducible: {path}" for path in paths[:_NAMED])
    more = f"\n  and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return BuildError(
        f"the steps of `{name}` left other files than were recorded:{shown}{more}",
        hint="let the step remove them or write them without times and chance; `mlimage diff` shows how "
        "two images differ",
    )


def _is_of_steps(built: BuiltLayer) -> bool:
    return isinstance(built.layer, AptLayer | StepsLayer)


def what_steps_left(built: BuiltLayer, store: Store) -> StepsRecord:
    """The files of a layer that steps made, read from the store.

    Raises:
        BuildError: the layer is missing or damaged.
    """
    files: dict[str, str] = {}
    with open_layer(built.blob, store) as stream:
        reader = TarReader(stream)
        for member in reader:
            path = f"/{member.path.rstrip('/')}"
            folder, _, name = path.rpartition("/")
            if name == OPAQUE:
                files[f"{folder}/"] = "emptied"
                continue
            if name.startswith(WHITEOUT):
                files[f"{folder}/{name[len(WHITEOUT) :]}"] = "removed"
                continue
            files[path] = f"{member.mode:04o} {member.uid}:{member.gid} {_content(member, reader)}"
        stream.finish()
    return StepsRecord(
        layer=built.layer.name,
        key=built.key,
        diff_id=built.blob.diff_id,
        files=tuple(sorted(files.items())),
    )


def differing(before: StepsRecord, now: StepsRecord) -> tuple[str, ...]:
    """Paths that one of two builds of the same steps has otherwise, sorted; the whole layer where none is."""
    one, other = dict(before.files), dict(now.files)
    paths = sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))
    return tuple(paths) or (f"layer `{now.layer}`",)


def _content(member: Member, reader: TarReader) -> str:
    if member.kind is MemberKind.DIRECTORY:
        return "folder"
    if member.kind is MemberKind.SYMLINK:
        return f"-> {member.target}"
    content = hashlib.sha256()
    for piece in reader.content():
        content.update(piece)
    return Digest.from_hex(content.hexdigest())
