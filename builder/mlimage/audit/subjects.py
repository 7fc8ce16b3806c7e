"""What is in the images of some locks: packages in the names by which advisories know them."""

import errno
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from packaging.utils import canonicalize_name
from packaging.version import Version

from mlimage.audit.model import Found, Gap, Subject
from mlimage.cache import Cache
from mlimage.content.deb import read_control
from mlimage.content.rootfs import inside
from mlimage.errors import FetchError
from mlimage.lock.inputs import Inputs
from mlimage.lock.model import AssembledBase, Deb, ImageBase, Lock
from mlimage.lock.root import root_folder
from mlimage.parallel import at_once
from mlimage.progress import Progress
from mlimage.regular import read_file
from mlimage.spec.suites import PYTHON_OF_SUITE

_DPKG: Final = "var/lib/dpkg"
_LARGEST: Final = 256 << 20
"""Bytes of dpkg's list of a whole distribution, and more."""
_SOURCE: Final = re.compile(r"(?P<name>\S+)(?: \((?P<version>[^)]+)\))?")
_DIST_INFO: Final = re.compile(r"(?P<name>[^-]+)-(?P<version>[^-]+)\.dist-info\Z")
_CODENAME: Final = re.compile(r"""^VERSION_CODENAME=["']?([a-z]+)""", re.MULTILINE)
_SYSTEM: Final = re.compile(r"""^ID=["']?([a-z]+)""", re.MULTILINE)


class Gathering:
    """Gathers what is in images, lock by lock.

    Args:
        cache: has unpacked bases.
        progress: where it is shown.
    """

    def __init__(self, *, cache: Cache, progress: Progress) -> None:
        self._cache = cache
        self._progress = progress
        self._images: defaultdict[Subject, set[str]] = defaultdict(set)
        self._packages: defaultdict[Subject, set[str]] = defaultdict(set)
        self._gaps: dict[Gap, None] = {}

    @property
    def found(self) -> Found:
        """What was gathered."""
        return Found(
            images={subject: frozenset(names) for subject, names in self._images.items()},
            packages={subject: frozenset(names) for subject, names in self._packages.items()},
            gaps=tuple(self._gaps),
        )

    def add(self, lock: Lock, image: str, inputs: Inputs) -> None:
        """Add what an image has.

        Args:
            lock: the image's.
            image: its name.
            inputs: gives its debs, which say what source they are of; fetched where they are not here.

        Raises:
            BuildError: a deb is no sound package.
            UsageError: nothing says where its archive is.
        """
        for package in lock.packages:
            self._note(python_subject(package.name, package.version), package.name, image)
        suite: str | None = None
        match lock.base:
            case AssembledBase():
                suite = lock.base.suite
            case ImageBase():
                suite = self._base(lock.base, lock, image)
        if suite is not None:
            self._debs(lock.base.debs, suite, image, inputs)

    def _note(self, subject: Subject, package: str, image: str) -> None:
        self._images[subject].add(image)
        self._packages[subject].add(package)

    def _debs(self, debs: Sequence[Deb], suite: str, image: str, inputs: Inputs) -> None:
        total = sum(deb.size for deb in debs if not inputs.has(deb))
        try:
            with self._progress.task("reading debs", total=total, unit="bytes") as task:
                paths = list(at_once(lambda deb: inputs.get(deb, task), debs))
        except FetchError as error:
            self._gaps[Gap(what=f"the Debian packages of `{image}`", why=error.message, hint=error.hint)] = (
                None
            )
            return
        for deb, path in zip(debs, paths, strict=True):
            fields = read_control(path).fields
            self._note(
                debian_subject(deb.name, deb.version, fields.get("Source", ""), suite), deb.name, image
            )

    def _base(self, base: ImageBase, lock: Lock, image: str) -> str | None:
        """Add what an image that is the base has of its own; returns its suite."""
        name = lock.wanted.image.name if lock.wanted.image else base.repository
        root = root_folder(self._cache, base)
        if not root.is_dir():
            why = "it is not unpacked on this machine, and no lock says what is in it"
            hint = f"`mlimage build {lock.image}` brings it"
            self._gaps[Gap(what=f"the base image `{name}` of `{image}`", why=why, hint=hint)] = None
            return None
        for subject in _python_of(root, base):
            self._note(subject, subject.name, image)
        suite = suite_of(root)
        if suite not in PYTHON_OF_SUITE:
            why = f"it is `{suite}`, of which no source is known here"
            self._gaps[Gap(what=f"the packages of the base image `{name}` of `{image}`", why=why)] = None
            return None
        for package, subject in debs_of(root, suite):
            self._note(subject, package, image)
        return suite


def python_subject(name: str, version: Version) -> Subject:
    """A Python package as advisories know it."""
    return Subject(ecosystem="python", name=canonicalize_name(name), version=version.public)


def debian_subject(package: str, version: str, source: str, suite: str) -> Subject:
    """A Debian package as the tracker knows it.

    Args:
        package: its name.
        version: its version.
        source: its field `Source`: `NAME`, or `NAME (VERSION)` where its own version is another one.
        suite: of the base.
    """
    said = _SOURCE.fullmatch(source.strip())
    name, of_source = (said["name"], said["version"]) if said else (package, None)
    return Subject(ecosystem="debian", name=name, version=of_source or version, suite=suite)


def suite_of(root: Path) -> str:
    """The Debian suite of an unpacked image, or what it is instead."""
    text = ""
    for path in ("etc/os-release", "usr/lib/os-release"):
        with suppress(OSError):
            text = text or _text(root, path)
    system, codename = _SYSTEM.search(text), _CODENAME.search(text)
    if system is None or system[1] != "debian":
        return system[1] if system else "unknown"
    return codename[1] if codename else "debian"


def _text(root: Path, path: str) -> str:
    """The text of a file of an image, whose links lead to nothing of this machine."""
    place = inside(root, path)
    if place is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    return read_file(place, _LARGEST).decode(errors="replace")


def debs_of(root: Path, suite: str) -> Iterator[tuple[str, Subject]]:
    """The installed Debian packages of an unpacked image: name, and what it is for the tracker."""
    parts = inside(root, f"{_DPKG}/status.d")
    names = sorted(path.name for path in parts.glob("*")) if parts else []
    for path in (f"{_DPKG}/status", *(f"{_DPKG}/status.d/{name}" for name in names)):
        place = inside(root, path)
        if path.endswith(".md5sums") or place is None or not place.is_file():
            continue
        for paragraph in _text(root, path).split("\n\n"):
            fields = dict(_fields(paragraph.splitlines()))
            state = fields.get("Status", "installed").split()[-1:]
            if {"Package", "Version"} <= fields.keys() and state == ["installed"]:
                name, version = fields["Package"], fields["Version"]
                yield name, debian_subject(name, version, fields.get("Source", ""), suite)


def _fields(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        name, colon, value = line.partition(":")
        if colon and name in {"Package", "Version", "Source", "Status"}:
            yield name, value.strip()


def _python_of(root: Path, base: ImageBase) -> Iterator[Subject]:
    for folder in (root / base.installation.library).glob("*-packages/*.dist-info"):
        said = _DIST_INFO.match(folder.name)
        with suppress(ValueError):
            if said:
                yield python_subject(said["name"], Version(said["version"]))
