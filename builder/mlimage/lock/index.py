"""The package indexes of a spec: which files they offer, and the metadata of wheels."""

import io
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from packaging.utils import canonicalize_name

from mlimage.atomic import note
from mlimage.cache import Cache
from mlimage.digest import Digest
from mlimage.errors import FetchError, reason_of
from mlimage.fetch import Http, NoRangesError, fetch_input, is_sound, local_path
from mlimage.lock.files import IndexFile
from mlimage.lock.metadata import TAIL, RangedFile, check_metadata, read_metadata
from mlimage.lock.projects import Projects
from mlimage.mirrors import DEFAULT_INDEX, Location, Mirrors, variable
from mlimage.progress import SILENT, Progress

_NONE: Final[Mapping[str, str]] = {}


class Indexes:
    """All indexes of one spec, as they are reached from this machine. Safe to use from several threads.

    A package comes from one index only: the one that it is bound to, else `default`. There is no "best match
    over all", so nobody can slip in a package by giving it the name of an inner one (dependency confusion).

    Args:
        http: fetches.
        cache: keeps metadata and, where there is no other way to it, wheels.
        mirrors: where the indexes are.
        urls: what the spec gives as the URL of an index, by the index's name.
        bound: the index of each bound project.
        progress: where it says that it had to use another mirror.
        projects: what was asked of indexes before, and keeps what is asked now; None: nothing was.
    """

    def __init__(
        self,
        *,
        http: Http,
        cache: Cache,
        mirrors: Mirrors,
        urls: Mapping[str, str] = _NONE,
        bound: Mapping[str, str] = _NONE,
        progress: Progress = SILENT,
        projects: Projects | None = None,
    ) -> None:
        self._http = http
        self._cache = cache
        self._mirrors = mirrors
        self._urls = urls
        self._bound = {canonicalize_name(project): index for project, index in bound.items()}
        self._progress = progress
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._projects = projects or Projects(http, progress)
        self._places: dict[str, tuple[Location, ...]] = {}
        self._sizes: dict[str, int] = {}

    def index_of(self, project: str) -> str:
        """Name of the one index that a project comes from."""
        return self._bound.get(canonicalize_name(project), DEFAULT_INDEX)

    def page(self, project: str) -> str:
        """Where a person finds what the index has of a project: at its first mirror.

        Raises:
            UsageError: nothing says where the index is.
        """
        index = self.index_of(project)
        place = self._places_of(index)[0]
        return str(place) if place.folder is not None else f"{place}/{canonicalize_name(project)}/"

    def files(self, project: str) -> tuple[IndexFile, ...]:
        """All files of a project, in the order of its page; none when the index does not know it.

        Raises:
            FetchError: no mirror of the index answers.
            UsageError: nothing says where the index is.
        """
        for _, files in self.offers(self.index_of(project), project):
            return files
        return ()

    def offers(self, index: str, project: str) -> Iterator[tuple[Location, tuple[IndexFile, ...]]]:
        """What each mirror of an index has of a project; mirrors that do not know it are left out.

        Raises:
            FetchError: at the end, when none had it and one could not be asked.
            UsageError: nothing says where the index is.
        """
        name = canonicalize_name(project)
        failed: list[FetchError] = []
        found = False
        for place in self._places_of(index):
            try:
                files = self._projects.files(place, index, name)
            except FetchError as error:
                failed.append(error)
                self._progress.detail(f"index `{index}`: {error}")
                continue
            if files is not None:
                found = True
                yield place, files
        if failed and not found:
            raise _unreachable(index, failed)

    def metadata(self, file: IndexFile) -> bytes:
        """The METADATA of a wheel: from the cache, the index's own metadata file, ranges, or the whole wheel.

        Raises:
            FetchError: it cannot be had, or is another wheel's.
        """
        with self._locks[file.url]:
            kept = self._kept(file)
            if kept is not None:
                return kept
            content = self._fetch_metadata(file)
            if file.sha256 is not None:
                # The first line has the digest of the rest, so that damage shows, and the wheel's size.
                head = f"{Digest.of(content)} {self._sizes.get(file.url, '')}".rstrip()
                note(self._kept_at(file.sha256), head.encode() + b"\n" + content)
            return content

    def size(self, file: IndexFile) -> int:
        """Bytes of a file: from its page, what is known from its metadata, or else from its server.

        Raises:
            FetchError: it cannot be had.
        """
        if file.size is not None:
            return file.size
        with self._locks[file.url]:
            if file.url not in self._sizes:
                self._kept(file)
            if file.url not in self._sizes:
                self._sizes[file.url] = self._ask_size(file)
            return self._sizes[file.url]

    def wheel(self, file: IndexFile) -> Path:
        """The whole file, verified, in the cache.

        Raises:
            FetchError: it cannot be had, or the index gives no digest for it.
        """
        if file.sha256 is None:
            raise FetchError(
                f"index `{file.index}` gives no sha256 for `{file.filename}`, so it cannot be locked"
            )
        kept = self._cache.input(file.sha256)
        if is_sound(kept, file.sha256):
            return kept
        with self._progress.task(file.filename, total=file.size, unit="bytes") as task:
            return fetch_input(
                self._http, self._cache, file.url, digest=file.sha256, size=file.size, task=task
            )

    def local(self, index: str, project: str, sha256: Digest) -> Path | None:
        """A file of this digest in a folder of this machine that stands for an index; it is not verified.

        Raises:
            FetchError: the folder cannot be read.
            UsageError: nothing says where the index is.
        """
        for place in self._places_of(index):
            if place.folder is not None:
                found = self._projects.files(place, index, canonicalize_name(project)) or ()
                for file in found:
                    if file.sha256 == sha256 and file.url.startswith("file:"):
                        return local_path(file.url)
        return None

    def _places_of(self, index: str) -> tuple[Location, ...]:
        if index not in self._places:  # pip's configuration is read for the default one
            self._places[index] = self._mirrors.index(index, self._urls.get(index))
        return self._places[index]

    def _kept_at(self, wheel: Digest) -> Path:
        return self._cache.metadata / wheel.hex[:2] / wheel.hex

    def _kept(self, file: IndexFile) -> bytes | None:
        if file.sha256 is None:
            return None
        try:
            head, _, content = self._kept_at(file.sha256).read_bytes().partition(b"\n")
        except OSError:
            return None
        digest, _, size = head.decode(errors="replace").partition(" ")
        if digest != Digest.of(content):
            return None
        if size.isascii() and size.isdigit():
            self._sizes[file.url] = int(size)
        return content

    def _ask_size(self, file: IndexFile) -> int:
        if file.url.startswith("file:"):
            return _size_of(local_path(file.url))
        try:
            return self._http.read_tail(file.url, 1).total
        except NoRangesError:
            return _size_of(self.wheel(file))

    def _fetch_metadata(self, file: IndexFile) -> bytes:
        if file.url.startswith("file:"):
            return _read(local_path(file.url), file)
        if file.offers_metadata:
            answer = self._http.get(file.url + ".metadata")
            if answer.status == 200:
                _verify_metadata(answer.body, file)
                return answer.body
            self._progress.detail(
                f"`{file.filename}`: the metadata that `{file.index}` promises is not there"
            )
        try:
            tail = self._http.read_tail(file.url, TAIL)
            self._sizes[file.url] = tail.total
            ranges = RangedFile(
                lambda start, stop: self._http.read_range(file.url, start, stop),
                total=tail.total,
                tail=tail.content,
            )
            return read_metadata(io.BufferedReader(ranges), filename=file.filename)
        except NoRangesError as error:
            self._progress.detail(f"{error}: the whole wheel is fetched for its metadata")
        return _read(self.wheel(file), file)


def _verify_metadata(content: bytes, file: IndexFile) -> None:
    got = Digest.of(content)
    if file.metadata_sha256 not in {None, got}:
        raise FetchError(
            f"the metadata of `{file.filename}` from index `{file.index}` has another hash: "
            f"expected {file.metadata_sha256}, got {got}"
        )
    check_metadata(content, filename=file.filename)


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise FetchError(f"`{path}` cannot be read: {reason_of(error)}") from error


def _read(path: Path, file: IndexFile) -> bytes:
    try:
        with path.open("rb") as stream:
            return read_metadata(stream, filename=file.filename)
    except OSError as error:
        raise FetchError(f"`{path}` cannot be read: {reason_of(error)}") from error


def _unreachable(index: str, failed: list[FetchError]) -> FetchError:
    reasons = "; ".join(error.message for error in failed)
    # Of the last one, with which the others would not have mattered.
    hint = next((error.hint for error in reversed(failed) if error.hint), None)
    named = hint and hint.replace("(MLIMAGE_MIRROR_…)", f"({variable(index)}=URL, or a folder of wheels)")
    return FetchError(f"index `{index}`: {reasons}", hint=named)
