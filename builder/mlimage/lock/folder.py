"""A folder of this machine as a package index: loose wheels, or pages in the layout of PEP 503."""

import threading
from pathlib import Path

from packaging.utils import (
    NormalizedName,
    parse_sdist_filename,
    parse_wheel_filename,
)

from mlimage.digest import Digest
from mlimage.errors import FetchError, reason_of
from mlimage.lock.files import SDIST_SUFFIXES, IndexFile
from mlimage.lock.pages import Page, parse_page

_digests: dict[tuple[str, int, int], Digest] = {}
_hashing = threading.Lock()


def files_in(folder: Path, *, index: str, project: NormalizedName) -> tuple[IndexFile, ...] | None:
    """The project's files in the folder; None when it has none.

    A page `<project>/index.html`, also below `simple/`, says it all; without one, the files that lie in the
    folder itself count, and their digests are computed.

    Raises:
        FetchError: a file cannot be read.
    """
    try:
        for page in (folder / project / "index.html", folder / "simple" / project / "index.html"):
            if page.is_file():
                return parse_page(
                    Page(
                        content=page.read_bytes(),
                        content_type="text/html",
                        url=page.absolute().as_uri(),
                        index=index,
                        project=project,
                    )
                )
        found = [path for path in sorted(folder.iterdir()) if _project_of(path.name) == project]
        return tuple(_file(path, index=index, project=project) for path in found) or None
    except OSError as error:
        raise FetchError(
            f"`{error.filename or folder}` of index `{index}` cannot be read: {reason_of(error)}"
        ) from error


def _file(path: Path, *, index: str, project: NormalizedName) -> IndexFile:
    return IndexFile(
        index=index,
        project=project,
        filename=path.name,
        url=path.absolute().as_uri(),
        sha256=_digest_of(path),
        size=path.stat().st_size,
    )


def _project_of(filename: str) -> NormalizedName | None:
    try:
        if filename.endswith(".whl"):
            return parse_wheel_filename(filename)[0]
        if filename.endswith(SDIST_SUFFIXES):
            return parse_sdist_filename(filename)[0]
    except ValueError:
        pass
    return None


def _digest_of(path: Path) -> Digest:
    """Computed once in a process for a file that does not change."""
    status = path.stat()
    key = (str(path.absolute()), status.st_mtime_ns, status.st_size)
    with _hashing:
        if key not in _digests:
            _digests[key] = Digest.of_file(path)
        return _digests[key]
