"""Locked files on this machine: in the cache, verified, fetched when they are missing or damaged."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from mlimage.cache import Cache
from mlimage.digest import Digest
from mlimage.errors import FetchError
from mlimage.fetch import Http, MissingError, NotWrittenError, fetch_input, is_sound
from mlimage.lock.identity import check_identity
from mlimage.lock.images import Images
from mlimage.lock.index import Indexes
from mlimage.lock.model import Deb, ImageLayer, LockedPackage
from mlimage.mirrors import Mirrors
from mlimage.progress import SILENT, Progress, Task

Item = Deb | LockedPackage | ImageLayer
"""What a lock names by its digest."""


class Inputs:
    """Gives the file of a locked deb, wheel or layer. Safe to use from several threads and processes.

    Args:
        cache: where files are kept.
        http: fetches.
        mirrors: where the archives are.
        indexes: where the wheels are.
        images: where the layers are, when the base has some.
        progress: where it says what it had to repair or try elsewhere.
    """

    def __init__(
        self,
        *,
        cache: Cache,
        http: Http,
        mirrors: Mirrors,
        indexes: Indexes,
        images: Images | None = None,
        progress: Progress = SILENT,
    ) -> None:
        self._cache = cache
        self._http = http
        self._mirrors = mirrors
        self._indexes = indexes
        self._images = images
        self._progress = progress
        self._locks: defaultdict[Digest, threading.Lock] = defaultdict(threading.Lock)
        self._verified: set[Item] = set()

    @property
    def images(self) -> Images:
        """Where the layers of the base are."""
        if self._images is None:
            raise ValueError("a base that is an image needs a registry")
        return self._images

    def get(self, item: Item, task: Task) -> Path:
        """The file, whose bytes have the lock's digest, and are what the lock calls them.

        It is fetched when it is not in the cache, or damaged there.

        Args:
            item: what is locked.
            task: is advanced by the bytes that are fetched.

        Raises:
            FetchError: no mirror has it, or what they have is something else, or the cache cannot be written.
            LockError: the file with this digest has another name, version or size than the lock says.
            RegistryError: the registry does not give a layer.
            UsageError: nothing says where its index or archive is.
        """
        if isinstance(item, ImageLayer):
            return self.images.fetch(item, task)
        path = self._cache.input(item.sha256)
        with self._locks[item.sha256]:
            if item in self._verified and path.is_file():
                return path
            if not is_sound(path, item.sha256):
                if path.exists():
                    self._progress.detail(f"`{_title(item)}` was damaged in the cache and is fetched again")
                self._fetch(item, task)
            check_identity(item, path)
            self._verified.add(item)
        return path

    def has(self, item: Deb | LockedPackage) -> bool:
        """Whether a file of the right size is in the cache, for estimates; it is not verified."""
        try:
            return self._cache.input(item.sha256).stat().st_size == item.size
        except OSError:
            return False

    def at_hand(self, package: LockedPackage) -> Path | None:
        """The verified wheel where this machine has it, in the cache or in a folder that is a mirror.

        Raises:
            FetchError: a folder cannot be read.
            UsageError: nothing says where its index is.
        """
        for path in (
            self._cache.input(package.sha256),
            self._indexes.local(package.index, package.name, package.sha256),
        ):
            if path is not None and is_sound(path, package.sha256):
                return path
        return None

    def _fetch(self, item: Deb | LockedPackage, task: Task) -> None:
        failed: list[FetchError] = []
        for url in self._places(item, failed):
            try:
                fetch_input(self._http, self._cache, url, digest=item.sha256, size=item.size, task=task)
            except NotWrittenError:
                raise
            except FetchError as error:
                failed.append(error)
                self._progress.detail(str(error))
            else:
                return
        raise _not_had(item, failed)

    def _places(self, item: Deb | LockedPackage, failed: list[FetchError]) -> Iterator[str]:
        """URLs that may have it, best first; why a mirror of the index is of no use is added to `failed`."""
        if isinstance(item, Deb):
            for place in self._mirrors.archive(item.archive):
                yield place.join(item.path)
            return
        try:
            for place, files in self._indexes.offers(item.index, item.name):
                same = [file for file in files if file.sha256 == item.sha256]
                yield from (file.url for file in same[:1])
                if not same:
                    failed.append(_other(item, str(place), {file.filename: file.sha256 for file in files}))
        except FetchError as error:
            failed.append(error)


def _title(item: Deb | LockedPackage) -> str:
    return f"{item.name} {item.version}"


def _other(package: LockedPackage, place: str, files: dict[str, Digest | None]) -> FetchError:
    if package.file not in files:
        return MissingError(f"`{package.file}` is not in `{place}`")
    offered = files[package.file] or "no hash"
    return FetchError(
        f"`{package.file}` in `{place}` has another hash: expected {package.sha256}, offered {offered}"
    )


def _not_had(item: Deb | LockedPackage, failed: list[FetchError]) -> FetchError:
    """The error after all mirrors: what each of them said, and what to do."""
    source = f"archive `{item.archive}`" if isinstance(item, Deb) else f"index `{item.index}`"
    upgrade = "mlimage lock --upgrade" + ("" if isinstance(item, Deb) else f"-package {item.name}")
    if not failed:
        return MissingError(
            f"`{_title(item)}` is not in {source}", hint=f"`{upgrade}` takes what is there now"
        )
    message = f"`{_title(item)}` from {source}: " + "; ".join(
        error.message.removeprefix(f"{source}: ") for error in failed
    )
    if not all(isinstance(error, MissingError) for error in failed):
        return FetchError(message, hint=next((error.hint for error in reversed(failed) if error.hint), None))
    if isinstance(item, Deb):
        why = "Debian removes a package from its mirrors when a newer one supersedes it"
        return MissingError(message, hint=f"{why}; `{upgrade}` takes the newer one")
    return MissingError(message, hint=f"it was removed there; `{upgrade}` takes another one")
