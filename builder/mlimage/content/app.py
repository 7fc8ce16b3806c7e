"""The application's folder to the files of the app layer."""

import io
import os
import stat
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final

from mlimage.bounds import shown, why_not
from mlimage.content.applinks import App, checked_target
from mlimage.content.entry import Entry, Kind, symlink
from mlimage.content.ignore import Ignore, only, read_ignore
from mlimage.errors import BuildError, reason_of
from mlimage.regular import opened

ALWAYS_IGNORED: Final = (
    "**/__pycache__",
    "**/*.py[co]",
    "**/.git",
    "**/.hg",
    "**/.svn",
    "**/.venv",
    "**/.DS_Store",
    "**/.ipynb_checkpoints",
    "**/.mypy_cache",
    "**/.pytest_cache",
    "**/.ruff_cache",
    "**/.*.sw[op]",
    "**/*~",
)
"""What no image needs and every machine has differently; a `!` pattern of the user's brings it back."""

_ORIGIN: Final = "app"


def app_entries(
    folder: Path,
    *,
    ignore: Sequence[str] = (),
    destination: str = "app",
    data: Collection[str] = (),
    links: Mapping[str, str] | None = None,
) -> tuple[Entry, ...]:
    """The application's files and links, sorted by path; the folders above them are left to `arrange`.

    Only what a version control system keeps matters, so that a fresh clone gives the same image: modes are
    0755 for what its owner may execute, else 0644, whatever the umask; empty folders are left out; names are
    in Unicode's composed form (NFC), which some file systems take apart.

    Args:
        folder: the application.
        ignore: lines of a `.dockerignore`, relative to the folder; they come after `ALWAYS_IGNORED`.
        destination: where it goes in the image, without a leading `/`.
        data: names of the data that a run may find mounted, to which links may lead.
        links: places in the folder, each with the path of the image to which a link leads there, in place of
            what the folder has.

    Raises:
        BuildError: the folder is missing or empty, something cannot be read or is neither file, folder nor
            link, or a link leads out or nowhere; while an entry is read: the file has changed.
    """
    if not folder.is_dir():
        raise BuildError(f"the app folder `{folder}` does not exist", hint="make it, or change `app.source`")
    links = links or {}
    app = App(
        folder=folder,
        rules=_rules((*ignore, *map(only, links))),
        destination=destination,
        data=data,
        links={f"{destination}/{place}": target for place, target in links.items()},
    )
    entries = sorted(_walk(app, ""), key=lambda entry: entry.path.encode())
    if not entries:
        raise BuildError(
            f"the app folder `{folder}` has no files, or all are ignored",
            hint="put the train and serve code there, or change `app.ignore`",
        )
    for entry, after in pairwise(entries):
        if entry.path == after.path:
            raise BuildError(f"the app has two files named `{entry.path}`, which differ in Unicode form only")
    _check_places(entries, app)
    laid = [symlink(place, target, origin=_ORIGIN) for place, target in app.links.items()]
    return tuple(sorted([*entries, *laid], key=lambda entry: entry.path.encode()))


def _check_places(entries: Sequence[Entry], app: App) -> None:
    """A place of data or models lies in folders, or in what the application does not have."""
    kinds = {entry.path.removeprefix(f"{app.destination}/"): entry.kind for entry in entries}
    for path in app.links:
        place = path.removeprefix(f"{app.destination}/")
        above = next((each for each in map(str, PurePosixPath(place).parents) if each in kinds), None)
        if above is not None:
            what = "link" if kinds[above] is Kind.SYMLINK else "file"
            raise BuildError(
                f"the app's `{above}` is a {what}, and mlimage.yaml names the place `{place}` in it",
                hint="make it a folder, choose another place (`at:`), or add it to `app.ignore`",
            )


def left_out(folder: Path, ignore: Sequence[str]) -> tuple[str, ...]:
    """What somebody's patterns leave out, sorted: files, and folders as a whole, which end with `/`.

    Args:
        folder: the application, which can be read.
        ignore: as that of `app_entries`; what `ALWAYS_IGNORED` leaves out is not told.
    """
    nobodys, rules = _rules(()), _rules(ignore)

    def below(relative: str) -> Iterator[str]:
        for path, mode in _listing(folder, relative):
            composed = unicodedata.normalize("NFC", path)
            if nobodys.ignores(composed):
                continue
            is_folder = stat.S_ISDIR(mode)
            if is_folder and (rules.includes_again or not rules.ignores(composed)):
                yield from below(path)
            elif rules.ignores(composed):
                yield f"{path}/" if is_folder else path

    return tuple(sorted(below("")))


def files_below(folder: Path, path: str, *, ignore: Sequence[str]) -> tuple[str, ...]:
    """The files and links at a path of the application and below it, sorted, less what is ignored.

    Raises:
        BuildError: a folder cannot be read.
    """
    rules = _rules(ignore)
    top = folder / path
    if not os.path.lexists(top):
        return ()
    if top.is_symlink() or not top.is_dir():
        return () if rules.ignores(path) else (path,)

    def below(relative: str) -> Iterator[str]:
        for found, mode in _listing(folder, relative):
            if stat.S_ISDIR(mode):
                yield from below(found)
            elif not rules.ignores(unicodedata.normalize("NFC", found)):
                yield found

    return tuple(sorted(below(path)))


def _rules(ignore: Sequence[str]) -> Ignore:
    return read_ignore((*ALWAYS_IGNORED, *(unicodedata.normalize("NFC", line) for line in ignore)))


def _listing(folder: Path, relative: str) -> list[tuple[str, int]]:
    """Paths and modes of what lies in a folder of the application."""
    try:
        with os.scandir(folder / relative) as listing:
            return [
                (
                    f"{relative}/{item.name}" if relative else item.name,
                    item.stat(follow_symlinks=False).st_mode,
                )
                for item in listing
            ]
    except OSError as error:
        raise BuildError(f"cannot read the app folder `{folder / relative}`: {reason_of(error)}") from error


def _walk(app: App, relative: str) -> Iterator[Entry]:
    rules = app.rules
    for path, mode in _listing(app.folder, relative):
        ignored = rules.ignores(unicodedata.normalize("NFC", path))
        if stat.S_ISDIR(mode):
            if not ignored or rules.includes_again:
                why = why_not(path)
                if why:
                    raise BuildError(f"the app's `{shown(path)}` {why}")
                yield from _walk(app, path)
        elif not ignored:
            yield _entry(app, path, mode)


def _entry(app: App, path: str, mode: int) -> Entry:
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise BuildError(f"the app has a file whose name is not UTF-8: {path!r}") from error
    source = app.folder / path
    composed = f"{app.destination}/{unicodedata.normalize('NFC', path)}"
    if stat.S_ISLNK(mode):
        return symlink(composed, checked_target(app, path), origin=_ORIGIN)
    if not stat.S_ISREG(mode):
        raise BuildError(
            f"the app's `{path}` is neither file, folder nor link",
            hint="remove it, or add it to `app.ignore`",
        )
    try:
        with opened(source) as stream:
            found = os.fstat(stream.fileno())
    except OSError as error:
        raise BuildError(f"cannot read the app's `{path}`: {reason_of(error)}") from error
    return Entry(
        path=composed,
        kind=Kind.FILE,
        mode=0o755 if mode & stat.S_IXUSR else 0o644,
        origin=_ORIGIN,
        size=found.st_size,
        open=partial(_open, source, path, found.st_size, found.st_mtime_ns),
    )


def _open(source: Path, path: str, size: int, modified: int) -> BinaryIO:
    try:
        raw = opened(source).detach()
    except OSError as error:
        raise BuildError(f"cannot read the app's `{path}`: {reason_of(error)}") from error
    watched = _Watched(raw, path, size, modified)
    try:
        watched.check()
    except BuildError:
        watched.close()
        raise
    return io.BufferedReader(watched, 256 * 1024)


class _Watched(io.RawIOBase):
    """A file that must keep the size and the time with which it was found until its last byte is read."""

    def __init__(self, raw: io.RawIOBase, path: str, size: int, modified: int) -> None:
        self._raw = raw
        self._path = path
        self._found = (size, modified)
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Read on; a file that has changed is an error before its last bytes are given."""
        count = self._raw.readinto(memoryview(buffer)[: self._left]) if self._left else 0
        self._left -= count
        if not count or not self._left:
            self.check()
        return count

    def check(self) -> None:
        """Raise `BuildError` if the file has changed."""
        now = os.fstat(self._raw.fileno())
        if (now.st_size, now.st_mtime_ns) != self._found:
            raise BuildError(f"the app's `{self._path}` changed while it was read", hint="build again")

    def close(self) -> None:
        self._raw.close()
        super().close()
