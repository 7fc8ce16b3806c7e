"""The root file systems of two images, held against each other path by path."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlimage.digest import Digest
from mlimage.oci.contents import Package
from mlimage.oci.found import FoundImage
from mlimage.oci.untar import MemberKind
from mlimage.verify.diff.model import FileChange, FileFacts, Part
from mlimage.verify.diff.overlay import Overlay, Placed
from mlimage.verify.diff.reading import Listings

_WITH_BYTES = {MemberKind.FILE, MemberKind.HARD_LINK}
Tree = dict[str, Placed]
Sources = tuple[tuple[int, int], tuple[int, int]]
"""Where the bytes of the first and the second image are, as `Placed.source` says it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A path that differs, and where its bytes are if these do."""

    path: str
    old: Placed | None
    new: Placed | None
    parts: tuple[Part, ...]

    @property
    def sources(self) -> Sources | None:
        """Where to read what differs in content."""
        if "content" not in self.parts or self.old is None or self.new is None:
            return None
        if self.old.source is None or self.new.source is None:
            return None
        return self.old.source, self.new.source


def overlay_of(image: FoundImage, listings: Listings, *, shared: int = 0) -> Overlay:
    """The file system of an image above its `shared` lowest layers; raises `BuildError` as `lay` does."""
    overlay = Overlay(whole=shared == 0)
    for number, layer in enumerate(image.layers[shared:], shared):
        overlay.lay(listings[layer.diff_id], number, layer.name)
    return overlay


def settled(old: Overlay, new: Overlay) -> bool:
    """Whether what lies below two overlays, equal for both, has no say in how they differ.

    It has one where only one of them has a path: whether the other one has it too stands below. With equal
    paths, folders in the same places and nothing hidden, both show the same of what is below.
    """
    if old.hides or new.hides or old.dangling or new.dangling:
        return False
    return _shape(old) == _shape(new)


def _shape(overlay: Overlay) -> dict[str, bool]:
    return {
        path: placed.item.kind is MemberKind.DIRECTORY
        for path, placed in overlay.files()
        if placed.item is not None
    }


def changes(old: Tree, new: Tree) -> list[Change]:
    """The paths that differ, in the order of their bytes."""
    found = []
    for path in sorted(old.keys() | new.keys(), key=_bytes):
        first, second = old.get(path), new.get(path)
        parts = differing(first, second) if first and second else ()
        if parts or not (first and second):
            found.append(Change(path=path, old=first, new=second, parts=parts))
    return found


def _bytes(path: str) -> bytes:
    return path.encode(errors="surrogateescape")


def differing(old: Placed, new: Placed) -> tuple[Part, ...]:
    """What differs of two entries of one path."""
    if (old.item, old.size, old.digest) == (new.item, new.size, new.digest):
        return ()
    first, second = facts(old, ""), facts(new, "")
    found: list[Part] = []
    if first.kind != second.kind:
        found.append("kind")
    elif first.target != second.target:
        found.append("target")
    if first.mode != second.mode:
        found.append("mode")
    if (first.uid, first.gid) != (second.uid, second.gid):
        found.append("owner")
    if first.digest is not None and second.digest is not None:
        if first.digest != second.digest:
            found.append("content")
        if first.size != second.size:
            found.append("size")
    if None not in {first.mtime, second.mtime} and first.mtime != second.mtime:
        found.append("mtime")
    return tuple(found)


def facts(placed: Placed, layer: str) -> FileFacts:
    """What is known of an entry; a folder that no layer has is what unpacking makes of it."""
    item = placed.item
    if item is None:
        return FileFacts(
            kind=MemberKind.DIRECTORY.value,
            mode=0o755,
            uid=0,
            gid=0,
            size=0,
            digest=None,
            target="",
            mtime=None,
            layer=layer,
        )
    return FileFacts(
        kind=item.kind.value,
        mode=item.mode,
        uid=item.uid,
        gid=item.gid,
        size=placed.size,
        digest=Digest.from_hex(placed.digest.hex()) if item.kind in _WITH_BYTES and placed.digest else None,
        target=item.target,
        mtime=item.mtime,
        layer=layer,
    )


def file_change(change: Change, old: FoundImage, new: FoundImage) -> FileChange:
    """The change with all that is known of both sides."""
    return FileChange(
        path=f"/{change.path}",
        old=_side(change.old, old),
        new=_side(change.new, new),
        parts=change.parts,
    )


def _side(placed: Placed | None, image: FoundImage) -> FileFacts | None:
    if placed is None:
        return None
    return facts(placed, image.layers[placed.layer].name if placed.layer >= 0 else "")


def packages_in(tree: Tree) -> Sequence[Package]:
    """The packages that the file system tells of; one that it tells of twice stands there twice."""
    return [
        package for placed in tree.values() if placed.item is not None for package in placed.item.packages
    ]
