"""Fetched files in the cache, each under the digest of its bytes."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from mlimage.cache import Cache
from mlimage.digest import Digest
from mlimage.fetch.http import Http
from mlimage.fetch.partial import copy_verified
from mlimage.progress import Task


def fetch_input(http: Http, cache: Cache, url: str, *, digest: Digest, size: int | None, task: Task) -> Path:
    """Put a file into the cache, from the web or (`file:`) from this machine; what was there is replaced.

    Raises:
        MissingError: the server does not have it.
        NotWrittenError: the cache cannot be written, or its disk is full.
        FetchError: it cannot be fetched, or has another hash or size.
    """
    to = cache.input(digest)
    if url.startswith("file:"):
        copy_verified(local_path(url), to, digest=digest, size=size, task=task)
    else:
        http.download(url, to, digest=digest, size=size, task=task)
    return to


def is_sound(path: Path, digest: Digest) -> bool:
    """Whether a file is there, can be read, and has the digest."""
    try:
        return Digest.of_file(path) == digest
    except OSError:
        return False


def local_path(url: str) -> Path:
    """The path of a `file:` URL."""
    return Path(unquote(urlsplit(url).path))
