"""What stands in a layer, entry by entry, with the digests of files but without their bytes."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from mlimage.errors import BuildError
from mlimage.oci.contents import MAX_RECORD, Package, packages_of
from mlimage.oci.found import FoundLayer, open_tar
from mlimage.oci.untar import Member, MemberKind, TarError, TarReader

_MAX_NAMES: Final = 256 << 20
"""Letters of all names of a layer, which are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An entry of a layer.

    Attributes:
        path: from the root, without `/` at either end; empty for the root itself.
        kind: what it is.
        mode: permission bits.
        uid: owner.
        gid: group.
        size: bytes of a file.
        mtime: seconds since 1970.
        target: of a link or device, as `Member` has it.
        digest: SHA-256 of a file; empty for all else.
        packages: what it tells of, if it is a record of packages.
    """

    path: str
    kind: MemberKind
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    target: str
    digest: bytes
    packages: tuple[Package, ...] = ()


def read_listing(layer: FoundLayer, advance: Callable[[int], None]) -> tuple[Item, ...]:
    """The entries of a layer in their order, whiteouts too; they are verified.

    Args:
        layer: which.
        advance: is told how many stored bytes were read.

    Raises:
        BuildError: it is not there, damaged or hostile.
    """
    found: list[Item] = []
    names = 0
    with open_tar(layer, advance) as stream:
        reader = TarReader(stream)
        try:
            for member in reader:
                stream.tell()
                item = _item(member, reader)
                names += len(item.path) + len(item.target)
                if names > _MAX_NAMES:
                    raise TarError("it has longer names than images have")  # noqa: TRY301
                found.append(item)
        except TarError as error:
            stream.finish()  # whose error is the truer one
            raise BuildError(f"layer `{layer.name}` cannot be read: {error}") from error
        stream.finish()
    return tuple(found)


def check_layer(layer: FoundLayer, advance: Callable[[int], None]) -> None:
    """Read a layer for nothing but its digests; raises `BuildError` when it is not there or damaged."""
    with open_tar(layer, advance) as stream:
        stream.finish()


def clean_path(path: str) -> str:
    """The path without needless `/` and `./`; raises `TarError` for one that leads outside of the image."""
    parts = [part for part in path.split("/") if part not in {"", "."}]
    if ".." in parts or "\0" in path:
        raise TarError(f"an entry outside of the image: {path!r}")
    return "/".join(parts)


def _item(member: Member, reader: TarReader) -> Item:
    packages: tuple[Package, ...] = ()
    digest = b""
    if member.kind is MemberKind.FILE:
        content = hashlib.sha256()

        def pieces() -> Iterator[bytes]:
            for piece in reader.content():
                content.update(piece)
                yield piece

        if member.size <= MAX_RECORD:
            packages = tuple(packages_of(member.path, pieces))
        for _ in pieces():
            pass
        digest = content.digest()
    return Item(
        path=clean_path(member.path),
        kind=member.kind,
        mode=member.mode,
        uid=member.uid,
        gid=member.gid,
        size=member.size,
        mtime=member.mtime,
        target=member.target if member.kind not in {MemberKind.FILE, MemberKind.DIRECTORY} else "",
        digest=digest,
        packages=packages,
    )
