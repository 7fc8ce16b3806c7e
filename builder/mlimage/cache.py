"""The folder where mlimage keeps what it fetched and built: `$XDG_CACHE_HOME/mlimage`, by content.

Everything in it can be deleted at any time; what is there is checked before it is trusted.
"""

import errno
import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from mlimage.digest import Digest
from mlimage.errors import UsageError

_NOT_OURS: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
"""How a file system says that one may only read."""


@dataclass(frozen=True, slots=True)
class Cache:
    """Names in the cache folder.

    ====================  =========================================================================
    `inputs/sha256/…`     fetched wheels and debs, each named by the digest of its bytes
    `metadata/…`          metadata of wheels, and what they install, by the wheel's digest
    `roots/<digest>/`     unpacked bases, whose interpreters resolve and compile
    `bytecode/<digest>/`  what the interpreter of an unpacked base imports to resolve, compiled
    `layers/<key>.json`   what a layer plan gave: diff_id, digest and sizes, by the key of its inputs
    `store/`              the local store of sealed images, an OCI image layout
    `scans/<digest>.json` secrets that were found in a layer, by the digest of its blob
    `apps/`               digests of large applications, by their folder
    `advisories/`         what sources of advisories said last
    `unpacked/<digest>/`  root file systems of images that the sandbox runs
    `inventories/…`       what is in each unpacked base and image, by the name of its folder
    `locks/`              files that processes lock
    ====================  =========================================================================
    """

    root: Path

    @property
    def inputs(self) -> Path:
        """Fetched files."""
        return self.root / "inputs" / "sha256"

    def input(self, digest: Digest) -> Path:
        """Where the fetched file with this digest lies, or will."""
        return self.inputs / digest.hex[:2] / digest.hex

    @property
    def metadata(self) -> Path:
        """Wheels' metadata."""
        return self.root / "metadata"

    @property
    def roots(self) -> Path:
        """Unpacked bases."""
        return self.root / "roots"

    @property
    def bytecode(self) -> Path:
        """Compiled modules of resolvers, by the name of the unpacked base."""
        return self.root / "bytecode"

    @property
    def layers(self) -> Path:
        """Results of layer plans."""
        return self.root / "layers"

    @property
    def store(self) -> Path:
        """The local store of sealed images."""
        return self.root / "store"

    @property
    def scans(self) -> Path:
        """What was found in layers."""
        return self.root / "scans"

    @property
    def apps(self) -> Path:
        """Digests of large applications."""
        return self.root / "apps"

    @property
    def advisories(self) -> Path:
        """What sources of advisories said last."""
        return self.root / "advisories"

    @property
    def unpacked(self) -> Path:
        """Root file systems for the sandbox."""
        return self.root / "unpacked"

    @property
    def inventories(self) -> Path:
        """What is in unpacked trees."""
        return self.root / "inventories"

    def inventory(self, tree: Path) -> Path:
        """Where it is noted what is in an unpacked base or image."""
        return self.inventories / tree.name

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Hold the lock `name` against other processes; waits for it. The kernel frees it with us."""
        folder = self.root / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / name).open("wb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """While the block runs, `mlimage cache prune` deletes nothing. Many processes may be in one."""
        try:
            stream = self._use_lock()
        except OSError as error:
            if error.errno not in _NOT_OURS:
                raise
            # Who cannot write to the cache reads it at his own risk.
            yield
            return
        with stream:
            fcntl.flock(stream, fcntl.LOCK_SH)
            yield

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Whether no other process is in an `in_use` block; if so, none gets into one while this one runs."""
        try:
            stream = self._use_lock()
        except OSError as error:
            if error.errno not in {*_NOT_OURS, errno.ENOSPC, errno.EDQUOT}:
                raise
            # On a full disk it is called to free some, and where nothing can be written nothing is deleted.
            # Nobody holds a lock that is not there.
            yield True
            return
        with stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True

    def _use_lock(self) -> IO[bytes]:
        folder = self.root / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        # Not to write: the one that is there can be locked in a cache that is read-only, or somebody else's.
        return os.fdopen(os.open(folder / "use", os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644), "rb")


def default_cache(environ: Mapping[str, str] = os.environ) -> Cache:
    """The cache of this user: `MLIMAGE_CACHE`, or `mlimage` in `XDG_CACHE_HOME` or `~/.cache`."""
    chosen = environ.get("MLIMAGE_CACHE")
    if chosen:
        return Cache(Path(chosen).absolute())
    base = environ.get("XDG_CACHE_HOME")
    if not base:
        home = environ.get("HOME")
        if not home:
            raise UsageError(
                "neither HOME nor XDG_CACHE_HOME is set", hint="set MLIMAGE_CACHE to a folder for the cache"
            )
        base = f"{home}/.cache"
    return Cache(Path(base).absolute() / "mlimage")
