"""Files of a trained model, which an image wrote: regular ones in the folder of models, or none."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from posixpath import normpath

from mlimage.errors import RunError, reason_of
from mlimage.regular import UnfitFileError, opened_below, pieces
from mlimage.spec.golden import Golden


def need_models(models: Path, golden: Golden) -> None:
    """Look at what is to be frozen before an image reads it: it would wait at a named pipe.

    Args:
        models: the folder of models.
        golden: which files of it are frozen; of what is not there the image itself speaks.

    Raises:
        RunError: one is no regular file, or a link out of the folder.
    """
    for named in (golden.model, *golden.state):
        for path in _files(models, normpath(named)):
            try:
                opened_below(models, path).close()
            except OSError as error:
                raise _unfit(models / path, error) from error


def take_model(models: Path, path: str, place: Path, digest: str) -> None:
    """Copy a file of the model, which must be the one that was recorded.

    Args:
        models: the folder of models.
        path: of the file in it.
        place: where it goes.
        digest: the SHA-256 that was recorded.

    Raises:
        RunError: it is another, or no regular file any more.
    """
    try:
        stream = opened_below(models, normpath(path))
    except OSError as error:
        raise _unfit(models / path, error) from error
    found = hashlib.sha256()
    place.parent.mkdir(parents=True, exist_ok=True)
    changed = RunError(f"`{path}` has changed while it was recorded", hint="end the training first")
    with stream, place.open("wb") as target:
        try:
            for piece in pieces(stream, path):
                found.update(piece)
                target.write(piece)
        except UnfitFileError as error:
            raise changed from error
    if found.hexdigest() != digest:
        raise changed


def _files(models: Path, named: str) -> Iterator[str]:
    """The file, or all in the folder, as the image's runtime lists them: through no link but the first."""
    root, place = Path(os.path.realpath(models)), Path(os.path.realpath(models / named))
    if not place.is_dir() or not place.is_relative_to(root):
        if os.path.lexists(models / named):
            yield named
        return
    for folder, _, names in os.walk(place):
        for name in names:
            yield Path(folder, name).relative_to(root).as_posix()


def _unfit(path: Path, error: OSError) -> RunError:
    return RunError(
        f"`{path}` cannot be frozen: {reason_of(error)}",
        hint="a model is regular files in the folder of models: remove it, or train again",
    )
