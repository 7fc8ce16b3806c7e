"""How two images differ, as values. `old` is of the first image, `new` of the second."""

from dataclasses import dataclass
from typing import Any, Literal

from mlimage.digest import Digest

Part = Literal["kind", "target", "mode", "owner", "content", "size", "mtime"]
"""What of a file differs. Hard links have the content of what they lead to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What an image is known by; `digest` is None where it lies without a manifest."""

    name: str
    digest: Digest | None
    image_id: Digest
    platform: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigChange:
    """A value of the configuration.

    Attributes:
        key: as the OCI image specification calls it, for instance `Env`, `Entrypoint` or `history`.
        name: which one of several: a variable, a label, a port, the number of a history entry; else empty.
        old: its JSON; None where it is not there, or says nothing.
        new: likewise.
    """

    key: str
    name: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageChange:
    """A package with the versions that only one of the images has: usually one of each, or of one."""

    type: str
    name: str
    old: tuple[str, ...]
    new: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerFacts:
    """A layer; `digest` is None, and `size` that of what lies there, where no manifest names its blob."""

    name: str
    position: int
    diff_id: Digest
    digest: Digest | None
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerChange:
    """Two layers that stand for each other, or one that stands alone.

    Attributes:
        old: None where it was added.
        new: None where it was removed.
        status: `moved` is an equal layer that lies above or below another one than before.
        reason: of a changed layer. `entries`: some differ; `order`: they are equal, and stand in another
            order; `headers`: not even that, so what differs is not looked at elsewhere: names of owners,
            attributes, padding.
    """

    old: LayerFacts | None
    new: LayerFacts | None
    status: Literal["same", "moved", "changed", "added", "removed"]
    reason: Literal["", "entries", "order", "headers"] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """A file, folder, link or device.

    Attributes:
        kind: in the words of `MemberKind`.
        mode: permission bits.
        uid: owner.
        gid: group.
        size: bytes of a file, else 0.
        digest: of a file's bytes, else None.
        target: of a link, and `MAJOR:MINOR` of a device; else empty.
        mtime: seconds since 1970; None for a folder that no layer has, only things in it.
        layer: name of the layer that it comes from.
    """

    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    digest: Digest | None
    target: str
    mtime: int | None
    layer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ByteDifference:
    """The first bytes of a file that differ.

    Attributes:
        offset: of the first.
        end: behind the last before the next equal one, as far as that is in the same block of 4 KiB.
        at: where the samples begin: at `offset`, or up to 15 bytes before.
        old: a sample, 32 bytes at most.
        new: likewise.
    """

    offset: int
    end: int
    at: int
    old: bytes
    new: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """A path at which the images' root file systems differ.

    Attributes:
        path: from the root, with its `/`.
        old: None where it was added.
        new: None where it was removed.
        parts: what differs, where there are both.
        bytes: where their contents begin to differ, if that was asked for.
    """

    path: str
    old: FileFacts | None
    new: FileFacts | None
    parts: tuple[Part, ...] = ()
    bytes: ByteDifference | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageDiff:
    """All that two images differ in.

    Attributes:
        old: the first image.
        new: the second image.
        config: in the order of their keys and names.
        packages: likewise.
        layers: bottom first, equal ones too.
        files: of the file systems that a container sees, in the order of the paths' bytes.
    """

    old: Identity
    new: Identity
    config: tuple[ConfigChange, ...]
    packages: tuple[PackageChange, ...]
    layers: tuple[LayerChange, ...]
    files: tuple[FileChange, ...]

    @property
    def identical(self) -> bool:
        """Whether they have one image id: equal configuration and equal layers, however these are packed."""
        return self.old.image_id == self.new.image_id
