"""The files of a golden record's layer: nothing in it, and nothing that it is about, has changed since."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from posixpath import normpath
from typing import BinaryIO

from mlimage.content.entry import Entry, arrange, directory, file_of_path
from mlimage.digest import Digest
from mlimage.errors import BuildError, reason_of
from mlimage.plan.golden import FOLDER, FROZEN, LARGEST_FILE, LARGEST_RECORD, MODELS, MOST_FILES
from mlimage.plan.model import AppLayer, BuildPlan, GoldenLayer
from mlimage.regular import UnfitFileError, listing, opened_below, opened_inside, pieces, shown_limit
from mlimage.runtime.golden.failure import GoldenError
from mlimage.runtime.golden.record import MANIFEST, Record, files_of_model, paths_of, read_golden
from mlimage.spec.frozen import DIGEST, is_hidden

_ORIGIN = "golden record"
_MOST = 1_000_000
"""Files and folders of a record and a model, which may be of many parts."""
_EVERYBODY = 0o1777
"""As the runtime's layer has the folder of models."""


def golden_files(layer: GoldenLayer, plan: BuildPlan, folder: Path) -> tuple[Entry, ...]:
    """The record, and the model and fitted state where the image's programs look for them.

    Args:
        layer: the layer.
        plan: what is built.
        folder: the image's folder in the project.

    Raises:
        BuildError: the record is damaged or not whole, or model or preprocessing are others than those it
            is of.
    """
    place = _place(folder, layer)
    found = _look(place, plan)
    record = _record(place, plan)
    if Digest.of((place / MANIFEST).read_bytes()) != layer.digest:
        raise BuildError(f"`{place / MANIFEST}` has changed during the build", hint="build again")
    models = files_of_model(record)
    hint = f"take it from version control, or {_again(plan)}"
    _hold(models, place / FROZEN, opened_inside, of="the frozen model", hint=hint)
    _need_nothing_else(record, found, place, plan)
    _hold(
        _sources(record),
        folder / next(each.source for each in plan.layers if isinstance(each, AppLayer)),
        opened_below,  # an application may have links that stay in it
        of="the preprocessing",
        hint=f"undo it, or begin anew: `mlimage freeze {plan.image} --drop`, then build, train and freeze",
    )
    return arrange(
        [
            directory(MODELS, origin=_ORIGIN, mode=_EVERYBODY),
            *(file_of_path(f"{MODELS}/{path}", place / FROZEN / path, origin=_ORIGIN) for path in models),
            *(file_of_path(f"{FOLDER}/{path}", place / path, origin=_ORIGIN) for path in paths_of(record)),
        ]
    )


def trained_since(plan: BuildPlan, folder: Path) -> Path | None:
    """A file of the project's folder of models that is not the frozen one, which is in the image.

    Args:
        plan: what is built.
        folder: the image's folder in the project.

    Raises:
        BuildError: the record is damaged.
    """
    layer = next((layer for layer in plan.layers if isinstance(layer, GoldenLayer)), None)
    trained = folder.parent.parent / MODELS / plan.image
    if layer is None or not trained.is_dir():
        return None
    record = _record(_place(folder, layer), plan)
    for path, digest in files_of_model(record).items():
        try:
            stream = opened_below(trained, normpath(path))
        except OSError:  # it is not there, or is nothing that could be frozen
            continue
        try:
            same = _digest(stream, trained / path) == digest
        except UnfitFileError:  # it is being written
            same = False
        if not same:
            return trained / path
    return None


def _place(folder: Path, layer: GoldenLayer) -> Path:
    """Where the record is; the folder of locks may be a link, the record itself may not."""
    place = folder / layer.source
    return place.parent.resolve() / place.name


def _look(place: Path, plan: BuildPlan) -> dict[str, int]:
    """The files there, all of them regular and of a size that a record has."""
    hint = f"take the folder from version control, or {_again(plan)}"
    try:
        found = listing(place.parent, place.name, most=_MOST)
    except OSError as error:
        where = place.parent / error.filename if isinstance(error.filename, str) else place
        raise BuildError(
            f"the golden record cannot be read: `{where}`: {reason_of(error)}", hint=hint
        ) from error
    sizes = {path: size for path, size in found.items() if not path.startswith(f"{FROZEN}/")}
    for path, size in sizes.items():
        if size > LARGEST_FILE:
            raise BuildError(
                f"the golden record cannot be read: `{place / path}`: it is larger than "
                f"{shown_limit(LARGEST_FILE)}",
                hint=hint,
            )
    if len(sizes) > MOST_FILES or sum(sizes.values()) > LARGEST_RECORD:
        raise BuildError(
            f"the golden record in `{place}` has more than {MOST_FILES:,} files, or "
            f"{shown_limit(LARGEST_RECORD)}",
            hint=hint,
        )
    return found


def _need_nothing_else(record: Record, found: Iterable[str], place: Path, plan: BuildPlan) -> None:
    """What the manifest does not name is of another record, unless it is hidden."""
    known = {DIGEST, *paths_of(record), *(normpath(f"{FROZEN}/{path}") for path in files_of_model(record))}
    for path in found:
        if path not in known and not is_hidden(path):
            raise BuildError(
                f"the golden record has a file that its manifest does not name: `{place / path}`",
                hint=f"remove it, or take the whole folder from version control; {_again(plan)}",
            )


def _record(place: Path, plan: BuildPlan) -> Record:
    try:
        return read_golden(str(place))
    except GoldenError as error:
        raise BuildError(str(error), hint=_again(plan)) from error


def _again(plan: BuildPlan) -> str:
    return f"`mlimage freeze {plan.image}` records anew"


def _sources(record: Record) -> dict[str, str]:
    return {
        path.removeprefix("app/"): digest
        for path, digest in record.preprocess.items()
        if path.startswith("app/")
    }


def _hold(
    files: Mapping[str, str],
    folder: Path,
    opened: Callable[[Path, str], BinaryIO],
    *,
    of: str,
    hint: str,
) -> None:
    for path, digest in files.items():
        try:
            same = _digest(opened(folder, normpath(path)), folder / path) == digest
        except OSError as error:
            raise BuildError(
                f"{of} cannot be read: `{folder / path}`: {reason_of(error)}", hint=hint
            ) from error
        if not same:
            raise BuildError(f"{of} has changed since its golden record: `{folder / path}`", hint=hint)


def _digest(stream: BinaryIO, path: Path) -> str:
    digest = hashlib.sha256()
    with stream:
        for piece in pieces(stream, path):
            digest.update(piece)
    return digest.hexdigest()
