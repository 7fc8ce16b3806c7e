"""What a new lock may change, and what it changed: what a person reads before committing it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from packaging.utils import canonicalize_name

from mlimage.lock.model import ImageBase, Lock

Kind = Literal["wheel", "deb", "image"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """What may move: everything, or some packages by name with what they need."""

    everything: bool = False
    packages: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.everything or bool(self.packages)

    def names(self, package: str) -> bool:
        """Whether the package, by its normalized name, is one of those that were named."""
        return package in {canonicalize_name(name) for name in self.packages}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One package, before and after.

    Attributes:
        kind: what it is.
        name: of the package, or of the base's image without its tag.
        old: version before, of an image the beginning of its digest; None when it is new.
        new: version now; None when it is gone.
        size: bytes that it adds to what is fetched, negative when it takes away.
        note: why a person should look twice, for instance that the release was yanked; else empty.
    """

    kind: Kind
    name: str
    old: str | None
    new: str | None
    size: int
    note: str = ""

    @property
    def what(self) -> str:
        """What happened, in a word."""
        if self.old is None:
            return "added"
        if self.new is None:
            return "removed"
        return "changed" if self.old != self.new else "same version"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    version: str
    size: int
    content: object


def changes(old: Lock | None, new: Lock, *, notes: Mapping[str, str]) -> tuple[Change, ...]:
    """What differs between two locks: a base that is an image, then debs, wheels, in order of names.

    Args:
        old: the lock before, if there was one.
        new: the lock now.
        notes: remarks by name of package; a package with a remark is listed even if nothing changed.
    """
    return (
        *_changes("image", _images(old), _images(new), {}),
        *_changes("deb", _debs(old), _debs(new), {}),
        *_changes("wheel", _wheels(old), _wheels(new), notes),
    )


def _images(lock: Lock | None) -> Mapping[str, _Held]:
    if lock is None or not isinstance(lock.base, ImageBase):
        return {}
    base = lock.base
    size = sum(layer.size for layer in base.layers)
    return {base.repository: _Held(version=base.manifest.short, size=size, content=base.layers)}


def _debs(lock: Lock | None) -> Mapping[str, _Held]:
    if lock is None:
        return {}
    return {deb.name: _Held(version=deb.version, size=deb.size, content=deb.sha256) for deb in lock.base.debs}


def _wheels(lock: Lock | None) -> Mapping[str, _Held]:
    if lock is None:
        return {}
    return {
        package.name: _Held(version=str(package.version), size=package.size, content=package.hashes)
        for package in lock.packages
    }


def _changes(
    kind: Kind, before: Mapping[str, _Held], after: Mapping[str, _Held], notes: Mapping[str, str]
) -> Iterable[Change]:
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        note = notes.get(name, "")
        if old is not None and new is not None and old.version == new.version and old.content != new.content:
            note = "; ".join(filter(None, [note, "other files than before"]))
        if old != new or note:
            yield Change(
                kind=kind,
                name=name,
                old=old.version if old else None,
                new=new.version if new else None,
                size=(new.size if new else 0) - (old.size if old else 0),
                note=note,
            )
