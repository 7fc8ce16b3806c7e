"""What is in locked wheels: noted by their digests, and read from a wheel when it is first asked for."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from mlimage.atomic import note
from mlimage.cache import Cache
from mlimage.content.entry import Entry
from mlimage.content.libraries import Linked, read_linked
from mlimage.content.listing import list_files, read_small
from mlimage.content.wheel import wheel_entries
from mlimage.digest import Digest, canonical_json
from mlimage.lock.model import LockedPackage

_VERSION: Final = 1
"""Of what is noted: a change of it, or of what a wheel installs, counts it up."""

Wheel = Callable[[LockedPackage], Path | None]
"""Gives the verified file of a locked wheel; None where it is not at hand."""


class AbsentError(Exception):
    """What was asked is not noted, and the wheel is not at hand."""


class Contents:
    """What wheels install for one python.

    Args:
        cache: where it is noted.
        python: version of the image's interpreter, `X.Y`.
        wheel: gives the wheels.
    """

    def __init__(self, cache: Cache, *, python: str, wheel: Wheel) -> None:
        self._cache = cache
        self._python = python
        self._wheel = wheel
        self._entries: dict[Digest, Mapping[str, Entry]] = {}
        self._linked: dict[Digest, dict[str, Linked | None]] = {}

    def files(self, package: LockedPackage) -> Mapping[str, str]:
        """The hash of each installed file, by its path in the image.

        Raises:
            AbsentError: see there.
            BuildError: it is no wheel, or an image cannot have it.
        """
        noted = self._noted(package, "files")
        if isinstance(noted, dict) and all(isinstance(each, str) for each in noted.values()):
            return noted
        files = list_files(tuple(self.entries(package).values())).files
        self._note(package, "files", files)
        return files

    def linked(self, package: LockedPackage, paths: Iterable[str]) -> Mapping[str, Linked]:
        """What the dynamic loader sees in these files of the package; what is nothing for it is left out.

        Raises:
            AbsentError, BuildError: as `files`.
        """
        if package.sha256 not in self._linked:
            self._linked[package.sha256] = _read(self._noted(package, "linked"))
        known = self._linked[package.sha256]
        wanted = tuple(paths)
        missing = [path for path in wanted if path not in known]
        if missing:
            known |= {path: read_linked(self.entries(package)[path]) for path in missing}
            said = {path: [each.name, each.needed] if each else None for path, each in known.items()}
            self._note(package, "linked", said)
        return {path: each for path in wanted if (each := known[path]) is not None}

    def content(self, package: LockedPackage, path: str) -> bytes:
        """A file of the package, which should be small; raises as `files`."""
        return read_small(self.entries(package)[path])

    def entries(self, package: LockedPackage) -> Mapping[str, Entry]:
        """The installed files, by path; raises as `files`."""
        if package.sha256 not in self._entries:
            wheel = self._wheel(package)
            if wheel is None:
                raise AbsentError(package.name)
            self._entries[package.sha256] = {
                entry.path: entry
                for entry in wheel_entries(
                    wheel,
                    python=self._python,
                    origin=f"{package.name} {package.version}",
                    filename=package.file,
                )
            }
        return self._entries[package.sha256]

    def _place(self, package: LockedPackage, what: str) -> Path:
        digest = package.sha256
        return self._cache.metadata / digest.hex[:2] / f"{digest.hex}.{what}-{self._python}-{_VERSION}"

    def _noted(self, package: LockedPackage, what: str) -> Any:
        """What was noted; None where nothing was, or the note is damaged."""
        try:
            head, _, content = self._place(package, what).read_bytes().partition(b"\n")
        except OSError:
            return None
        return json.loads(content) if head == Digest.of(content).encode() else None

    def _note(self, package: LockedPackage, what: str, value: object) -> None:
        content = canonical_json(value)
        note(self._place(package, what), Digest.of(content).encode() + b"\n" + content)


def _read(noted: Any) -> dict[str, Linked | None]:
    if not isinstance(noted, dict):
        return {}
    return {
        path: Linked(name=each[0], needed=tuple(each[1])) if each else None for path, each in noted.items()
    }
