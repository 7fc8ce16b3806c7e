"""What a person types to name an image that may lie anywhere: in the store, a folder or an archive."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from mlimage.errors import UsageError
from mlimage.oci.archive import KINDS
from mlimage.oci.dockersave import find_in_docker_archive
from mlimage.oci.files import archive_files, folder_files
from mlimage.oci.found import FoundImage, in_store
from mlimage.oci.layout import find_in_layout
from mlimage.oci.model import SealedImage
from mlimage.oci.reference import resolve
from mlimage.oci.store import Store

_FORMS: Final = "`oci:DIR`, `oci-archive:FILE` or `docker-archive:FILE`"
_END: Final = re.compile(r"@sha256:[0-9a-f]{64}\Z|:(?=[^/])")
"""Where the place on disk may end and the image in it be named. A colon may belong to either."""


def find_image(text: str, store: Store, *, named: Callable[[str], SealedImage] | None = None) -> FoundImage:
    """The image that a text names.

    Args:
        text: what `resolve` takes, or `oci:DIR`, `oci-archive:FILE`, `docker-archive:FILE` as this and other
            tools write them; with `:NAME` or `@DIGEST` behind it where there are several images.
        store: where it is looked for when no place is named.
        named: finds it there; by default as `resolve` does.

    Raises:
        UsageError: there is no such place, or no such image in it.
        BuildError: the image is damaged.
        OSError: it may not be read.
    """
    kind, colon, rest = text.partition(":")
    if colon and kind in KINDS:
        return _find(kind, rest)
    if colon and kind != "sha256" and ("/" in rest or ":" in rest):
        raise UsageError(
            f"no place `{kind}:` that images lie in", hint=f"name one of the store, or write {_FORMS}"
        )
    try:
        return in_store(named(text) if named else resolve(store, text), store)
    except UsageError as error:
        if Path(text).is_dir():
            raise UsageError(error.message, hint=f"for the folder, write `oci:{text}`") from error
        if Path(text).is_file():
            raise UsageError(error.message, hint=f"for the file, write `docker-archive:{text}`") from error
        raise


def _find(kind: str, rest: str) -> FoundImage:
    path, wanted = _divided(rest)
    place = f"{kind}:{path}"
    if not rest or not Path(path).exists():
        raise UsageError(
            f"there is no `{path}`" if rest else f"no place behind `{kind}:`", hint=f"write {_FORMS}"
        )
    if Path(path).is_dir() != (kind == "oci"):
        raise UsageError(
            f"`{path}` is a {'folder' if Path(path).is_dir() else 'file'}",
            hint=f"write `oci:{path}`" if Path(path).is_dir() else f"write `docker-archive:{path}`",
        )
    if kind == "oci":
        return find_in_layout(folder_files(Path(path)), wanted, place=place)
    files = archive_files(Path(path))
    if kind == "docker-archive" and files("index.json") is None:
        return find_in_docker_archive(files, wanted, place=place)
    return find_in_layout(files, wanted, place=place)


def _divided(rest: str) -> tuple[str, str]:
    """(path, `:NAME` or `@DIGEST` or nothing): the longest path that is there."""
    if Path(rest).exists():
        return rest, ""
    for end in reversed(list(_END.finditer(rest))):
        if Path(rest[: end.start()]).exists() and end.start():
            return rest[: end.start()], rest[end.start() :]
    return rest, ""
