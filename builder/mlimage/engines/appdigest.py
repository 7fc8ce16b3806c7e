"""The digest of an application's layer as a build would make it now, without making it.

A large application is read only when one of its files looks otherwise than when it was last read.
"""

import errno
import hashlib
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from mlimage.atomic import write_atomically
from mlimage.cache import Cache
from mlimage.content.entry import Entry, Kind
from mlimage.digest import Digest, canonical_json
from mlimage.engines.own import own_files
from mlimage.oci.tar import tar_chunks
from mlimage.plan.config import APP
from mlimage.plan.layers import SEAL_VERSION
from mlimage.plan.model import AppLayer, BuildPlan

LARGE: Final = 8 << 20
"""Bytes from which on an application is not read each time: some 20 ms."""
RACY: Final = 2_000_000_000
"""Nanoseconds in which a second change of a file may leave its times as they are, on coarse file systems."""
_READ_ONLY: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


def app_digest(
    layer: AppLayer,
    plan: BuildPlan,
    folder: Path,
    cache: Cache,
    *,
    clock: Callable[[], int] = time.time_ns,
) -> Digest:
    """The diff_id of the layer.

    Args:
        layer: the application's.
        plan: of its image.
        folder: the image's folder in the project.
        cache: where the digests of large applications are kept.
        clock: the time, in nanoseconds since the epoch.

    Raises:
        BuildError: a build would be refused, too.
    """
    started = clock()
    entries = own_files(layer, plan, folder)
    if sum(entry.size for entry in entries) < LARGE:
        return tar_digest(entries)
    source = folder / layer.source
    looks, newest = _look_of(entries, source)
    about = canonical_json([SEAL_VERSION, str(source.absolute()), layer.roles.decode()])
    note = cache.apps / f"{Digest.of(about).hex}.json"
    known = _read(note, looks)
    if known is not None:
        return known
    found = tar_digest(entries)
    if newest < started - RACY:
        _write(note, looks, found)
    return found


def tar_digest(entries: Sequence[Entry]) -> Digest:
    """The diff_id of a layer of these entries; reads them all."""
    digest = hashlib.sha256()
    for chunk in tar_chunks(entries):
        digest.update(chunk)
    return Digest.from_hex(digest.hexdigest())


def _look_of(entries: Sequence[Entry], source: Path) -> tuple[Digest, int]:
    """A digest of what can be seen of the files without reading them, and when the last one was changed."""
    newest = 0
    listing: list[Sequence[str | int]] = []
    for entry in entries:
        listing.append((entry.path, entry.kind.value, entry.mode, entry.target))
        if entry.kind is Kind.FILE and entry.path.startswith(f"{APP}/"):
            try:
                found = (source / entry.path.removeprefix(f"{APP}/")).stat()
            except FileNotFoundError:  # its name is composed otherwise on this disk
                return Digest.of(canonical_json(listing)), sys.maxsize
            listing.append((found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns))
            newest = max(newest, found.st_mtime_ns, found.st_ctime_ns)
    return Digest.of(canonical_json(listing)), newest


def _read(note: Path, looks: Digest) -> Digest | None:
    try:
        said = json.loads(note.read_bytes())
        return Digest(said["digest"]) if said["looks"] == looks else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _write(note: Path, looks: Digest, found: Digest) -> None:
    try:
        write_atomically(note, canonical_json({"looks": looks, "digest": found}))
    except OSError as error:
        if error.errno not in _READ_ONLY:
            raise
