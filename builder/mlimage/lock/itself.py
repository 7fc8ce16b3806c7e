"""Locks mlimage itself for CI: the files that pip installs with `--require-hashes`.

Unlike an image's lock they are for no one platform: they have the digests of all wheels of a version.
"""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from mlimage import DISTRIBUTION, __version__
from mlimage.cache import Cache
from mlimage.content.interpreter import Interpreter
from mlimage.errors import MlimageError, ResolveError, UsageError
from mlimage.fetch import Http, ReplacedError, fetch_input, is_sound
from mlimage.lock.changes import Upgrade
from mlimage.lock.compile import PIP_COMPILE
from mlimage.lock.distribution import Distribution, read_distribution
from mlimage.lock.files import IndexFile
from mlimage.lock.index import Indexes
from mlimage.lock.model import LockedPackage
from mlimage.lock.packages import lock_packages
from mlimage.lock.pinnedurl import EXAMPLE, PinnedUrl
from mlimage.lock.writer import hashed
from mlimage.mirrors import DEFAULT_INDEX, variable
from mlimage.process import Runner
from mlimage.progress import Progress
from mlimage.spec.requirements import SpecRequirement

REQUIREMENTS: Final = "lockfiles/mlimage.txt"
"""All that is installed from wheels, as a path in the project."""

ARCHIVE: Final = "lockfiles/mlimage-archive.txt"
"""The source archive of mlimage; what it is built with is among `REQUIREMENTS`."""

HEAD: Final = "# What CI installs, locked by mlimage"
"""How both files begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedItself:
    """The text of each file by its path, and why the version was withdrawn, if it was."""

    files: Mapping[str, str]
    yanked: str


def lock_itself(
    source: PinnedUrl | None,
    *,
    python: Interpreter,
    indexes: Indexes,
    http: Http,
    cache: Cache,
    run: Runner,
    progress: Progress,
    command: str,
) -> LockedItself:
    """Lock mlimage and the newest versions of what it needs; writes nothing into the project.

    Args:
        source: where mlimage is; None: the index has this version.
        python: of CI.
        indexes: the default one has everything else.
        http: fetches the source.
        cache: keeps it.
        run: starts processes.
        progress: where it is shown.
        command: which writes the files, for those who read them; without `--mlimage-from`.

    Raises:
        UsageError: the index does not have this version.
        ResolveError: there are no wheels that fit together.
        FetchError: an index or the source cannot be reached, or has something else.
    """
    target = python.describe(run)
    if source is None:
        _refuse_unknown(indexes)
        wanted: tuple[str, ...] = (f"{DISTRIBUTION}=={__version__}",)
    else:
        wanted = _fetched(source, http, cache, progress).needs(target)
    asked = [
        SpecRequirement(text=text, place=DISTRIBUTION, path=DISTRIBUTION, line=1, column=1) for text in wanted
    ]
    try:
        packages, notes = lock_packages(
            asked,
            python,
            target,
            image=DISTRIBUTION,
            previous=None,
            constraints={},
            upgrade=Upgrade(),
            as_of=None,
            resolver=PIP_COMPILE,
            indexes=indexes,
            progress=progress,
            run=run,
        )
    except MlimageError as error:
        if error.where in {item.where for item in asked}:
            error.where = None  # there is no spec, and advice about one is of no use
        if isinstance(error, ResolveError):
            error.hint = (
                f"set {variable(DEFAULT_INDEX)} to an index that has wheels of all that mlimage needs"
            )
        raise
    where = " --mlimage-from URL#sha256=DIGEST" if source else ""
    head = f"{HEAD} for python {python.python}; not edited by hand.\n# To write it anew: {command}{where}\n"
    listed = "".join(hashed(_for_all_platforms(package, indexes)) for package in packages)
    return LockedItself(files=_files(source, head, listed), yanked=notes.get(DISTRIBUTION, ""))


def refuse_foreign(root: Path, *, archive: bool) -> None:
    """Refuse to overwrite files that mlimage did not write; raises `UsageError`.

    Args:
        root: of the project.
        archive: whether there is a file for a source archive, too.
    """
    for path in (REQUIREMENTS, *((ARCHIVE,) if archive else ())):
        file = root / path
        if os.path.lexists(file) and not (file.is_file() and file.read_bytes().startswith(HEAD.encode())):
            raise UsageError(f"`{path}` is there already, and mlimage did not write it", hint="move it away")


def _refuse_unknown(indexes: Indexes) -> None:
    if not _wheels(indexes.files(DISTRIBUTION), Version(__version__)):
        raise UsageError(
            f"index `{DEFAULT_INDEX}` has no wheel of `{DISTRIBUTION}=={__version__}` for CI to install",
            hint="make one of your checkout with `pip wheel --no-deps .`, upload it, and say where it is: "
            f"`{EXAMPLE}`",
        )


def _fetched(source: PinnedUrl, http: Http, cache: Cache, progress: Progress) -> Distribution:
    path = cache.input(source.sha256)
    if not is_sound(path, source.sha256):
        with progress.task(source.filename, unit="bytes") as task:
            try:
                fetch_input(http, cache, source.url, digest=source.sha256, size=None, task=task)
            except ReplacedError as error:
                error.hint = (
                    "compare it with the digest that `sha256sum` prints for your own copy of the file"
                )
                raise
    return read_distribution(path, source.filename)


def _for_all_platforms(package: LockedPackage, indexes: Indexes) -> LockedPackage:
    """With the digests of all wheels; what asks for it are packages, and mlimage is asked for by nobody."""
    wheels = _wheels(indexes.files(package.name), package.version)
    askers = {name.removeprefix("-r ") for name in package.required_by} - {package.name}
    return replace(
        package,
        hashes=tuple(sorted({wheel.sha256 for wheel in wheels if wheel.sha256 is not None})),
        required_by=tuple(sorted(askers)),
    )


def _wheels(files: Iterable[IndexFile], version: Version) -> list[IndexFile]:
    found = []
    for file in files:
        with suppress(InvalidWheelFilename):
            if parse_wheel_filename(file.filename)[1] == version:
                found.append(file)
    return found


def _files(source: PinnedUrl | None, head: str, listed: str) -> Mapping[str, str]:
    wheels = f"{head}--only-binary :all:\n"
    if source is None:
        return {REQUIREMENTS: f"{wheels}{listed}"}
    if source.is_wheel:
        return {REQUIREMENTS: f"{wheels}{source.requirement}{listed}"}
    return {REQUIREMENTS: f"{wheels}{listed}", ARCHIVE: f"{head}{source.requirement}"}
