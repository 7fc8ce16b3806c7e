"""The files of a golden record's layer: nothing in it, and nothing that it is about, has changed since."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from mlimage.content.entry import Entry, arrange, directory, file_of_path
from mlimage.digest import Digest
from mlimage.errors import BuildError, reason_of
from mlimage.plan.golden import FOLDER, FROZEN, MODELS
from mlimage.plan.model import AppLayer, BuildPlan, GoldenLayer
from mlimage.runtime.golden.failure import GoldenError
from mlimage.runtime.golden.record import MANIFEST, Record, files_of_model, paths_of, read_golden

_ORIGIN = "golden record"
_EVERYBODY = 0o1777
"""As the runtime's layer has the folder of models."""


def golden_files(layer: GoldenLayer, plan: BuildPlan, folder: Path) -> tuple[Entry, ...]:
    """The record, and the model and fitted state where the image's programs look for them.

    Args:
        layer: the layer.
        plan: what is built.
        folder: the image's folder in the project.

    Raises:
        BuildError: the record is damaged, or model or preprocessing are others than those it is of.
    """
    place = (folder / layer.source).resolve()
    if Digest.of((place / MANIFEST).read_bytes()) != layer.digest:
        raise BuildError(f"`{place / MANIFEST}` has changed during the build", hint="build again")
    record = _record(place, plan)
    models = files_of_model(record)
    hint = f"take it from version control, or {_again(plan)}"
    _hold(models, place / FROZEN, of="the frozen model", hint=hint)
    _hold(
        _sources(record),
        folder / next(each.source for each in plan.layers if isinstance(each, AppLayer)),
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
    record = _record((folder / layer.source).resolve(), plan)
    for path, digest in files_of_model(record).items():
        file = trained / path
        if file.is_file() and _digest(file) != digest:
            return file
    return None


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


def _hold(files: Mapping[str, str], folder: Path, *, of: str, hint: str) -> None:
    for path, digest in files.items():
        try:
            same = _digest(folder / path) == digest
        except OSError as error:
            raise BuildError(
                f"{of} cannot be read: `{folder / path}`: {reason_of(error)}", hint=hint
            ) from error
        if not same:
            raise BuildError(f"{of} has changed since its golden record: `{folder / path}`", hint=hint)


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
