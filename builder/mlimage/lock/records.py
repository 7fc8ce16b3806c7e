"""`digests.toml`: what a build gave for each layer that comes from the lock."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from mlimage.atomic import write_atomically
from mlimage.digest import Digest
from mlimage.errors import LockError
from mlimage.lock.toml import Table, joined, read_table, table

FILE: Final = "digests.toml"
_FORMAT: Final = 2
_HEADER: Final = f"""\
# What a build gave for each layer that comes from the lock. Written by `mlimage build --record`.
format = {_FORMAT}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One layer.

    Attributes:
        tags: of the images that have it, sorted.
        layer: its name.
        key: digest of what it was made of.
        diff_id: digest of its uncompressed tar.
        digest: digest of its blob.
        size: bytes of its blob.
        unpacked: bytes of its tar, which the manifest tells.
    """

    tags: tuple[str, ...]
    layer: str
    key: Digest
    diff_id: Digest
    digest: Digest
    size: int
    unpacked: int


def render_digests(records: Sequence[Record]) -> str:
    """The text of `digests.toml`; records in order of layer and key, each once."""
    ordered = sorted(set(records), key=lambda record: (record.layer, record.key))
    tables = [
        table(
            "[[layer]]",
            {
                "name": record.layer,
                "tags": record.tags,
                "key": record.key,
                "diff_id": record.diff_id,
                "digest": record.digest,
                "size": record.size,
                "unpacked": record.unpacked,
            },
        )
        for record in ordered
    ]
    return joined([_HEADER, *tables])


def write_digests(folder: Path, tag: str, records: Sequence[Record]) -> None:
    """Write what the image with a tag gave into `digests.toml` in this folder; what others gave stays."""
    try:
        before = read_digests(folder)
    except LockError:  # it is written anew, which is what that error asks for
        before = ()
    write_atomically(folder / FILE, render_digests(merged(before, tag, records)).encode())


def merged(before: Sequence[Record], tag: str, records: Sequence[Record]) -> tuple[Record, ...]:
    """Records of all images, where those of one are replaced. A layer that several have stands once."""
    found: dict[tuple[str, Digest], Record] = {}
    others = (replace(each, tags=tuple(one for one in each.tags if one != tag)) for each in before)
    for record in (*(each for each in others if each.tags), *records):
        known = found.get((record.layer, record.key))
        names = {*record.tags, *(known.tags if known else ())}
        found[record.layer, record.key] = replace(record, tags=tuple(sorted(names)))
    return tuple(found.values())


def read_digests(folder: Path) -> tuple[Record, ...]:
    """What was recorded; nothing when the file is not there.

    Raises:
        LockError: the file is not as `write_digests` writes it.
    """
    path = folder / FILE
    if not path.exists():
        return ()
    try:
        return _parse(read_table(path))
    except LockError as error:
        raise LockError(
            error.message,
            where=error.where,
            hint=f"`mlimage build {folder.name} --record` writes it anew; look at the difference",
        ) from error


def _parse(root: Table) -> tuple[Record, ...]:
    if (written := root.whole("format")) != _FORMAT:
        raise root.error(f"written by {'a newer' if written > _FORMAT else 'an older'} mlimage", "format")
    records = []
    for layer in root.tables("layer"):
        records.append(
            Record(
                layer=layer.text("name"),
                tags=layer.texts("tags"),
                key=layer.digest("key"),
                diff_id=layer.digest("diff_id"),
                digest=layer.digest("digest"),
                size=layer.whole("size"),
                unpacked=layer.whole("unpacked"),
            )
        )
        layer.done()
    root.done()
    return tuple(records)
