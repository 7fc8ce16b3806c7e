"""What BuildKit gives: an OCI layout folder with the layers, and the instruction that made each."""

import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final

from mlimage.content.entry import Entry, Kind
from mlimage.digest import Digest
from mlimage.errors import BuildError
from mlimage.oci.compress import zstandard
from mlimage.oci.model import LAYER
from mlimage.oci.untar import Member, MemberKind, TarError, TarReader
from mlimage.regular import read_file
from mlimage.render.instructions import normal

_LARGEST: Final = 16 << 20
"""Bytes of an index, manifest or configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputLayer:
    """A layer of the output.

    Attributes:
        instruction: what made it, in the one spelling of `render.instructions.normal`.
        tar: its uncompressed tar.
    """

    instruction: str
    tar: Path


def read_output(folder: Path, *, below: int) -> tuple[OutputLayer, ...]:
    """The layers above the base, bottom first.

    Args:
        folder: where `docker buildx build` wrote `type=oci,tar=false`.
        below: how many layers the base has.

    Raises:
        BuildError: it is not what BuildKit writes.
    """
    try:
        index = _json(folder / "index.json")
        manifest = _json(_blob(folder, index["manifests"][0]))
        if "manifests" in manifest:
            manifest = _json(_blob(folder, manifest["manifests"][0]))
        config = _json(_blob(folder, manifest["config"]))
        made = [entry["created_by"] for entry in config["history"] if not entry.get("empty_layer")]
        pairs = list(zip(made, manifest["layers"], strict=True))[below:]
        return tuple(
            OutputLayer(instruction=normal(created_by), tar=_plain(folder, layer))
            for created_by, layer in pairs
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise BuildError(
            f"BuildKit gave something that is no OCI layout as mlimage knows it: {error}",
            hint="which `docker buildx version` and `docker version` are these?",
        ) from error


def entries_of(layer: OutputLayer) -> Iterator[tuple[Member, Entry | None]]:
    """The members of a layer, each with an entry that reads its bytes from where they lie.

    No entry is made of what is neither file, folder nor link, and of hard links, whose bytes lie elsewhere.

    Raises:
        BuildError: the tar is damaged.
    """
    with layer.tar.open("rb") as stream:
        reader, whole = TarReader(stream), os.fstat(stream.fileno()).st_size
        try:
            for member in reader:
                yield member, _entry(member, layer, stream.tell())
                _pass_over(reader, stream, whole)
        except TarError as error:
            raise BuildError(f"BuildKit gave a damaged layer of `{layer.instruction}`: {error}") from error


def _pass_over(reader: TarReader, stream: BinaryIO, whole: int) -> None:
    if stream.seek(reader.pass_over(), io.SEEK_CUR) > whole:
        raise TarError("the archive ends in the middle of a file")


def _entry(member: Member, layer: OutputLayer, start: int) -> Entry | None:
    kinds = {
        MemberKind.FILE: Kind.FILE,
        MemberKind.DIRECTORY: Kind.DIRECTORY,
        MemberKind.SYMLINK: Kind.SYMLINK,
    }
    kind = kinds.get(member.kind)
    if kind is None:
        return None
    return Entry(
        path=member.path.strip("/"),
        kind=kind,
        mode=0o777 if kind is Kind.SYMLINK else member.mode,
        uid=member.uid,
        gid=member.gid,
        origin=layer.instruction,
        size=member.size,
        target=member.target if kind is Kind.SYMLINK else "",
        open=partial(_slice, layer.tar, start, member.size) if kind is Kind.FILE else None,
    )


def _slice(tar: Path, start: int, size: int) -> BinaryIO:
    return io.BufferedReader(_Slice(tar, start, size), 256 * 1024)


class _Slice(io.RawIOBase):
    """Some bytes of a file, as a file."""

    def __init__(self, path: Path, start: int, size: int) -> None:
        self._stream = path.open("rb", buffering=0)
        self._stream.seek(start)
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        count = self._stream.readinto(memoryview(buffer)[: self._left]) if self._left else 0
        self._left -= count
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()


def _json(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(read_file(path, _LARGEST))
    return value


def _blob(folder: Path, descriptor: dict[str, Any]) -> Path:
    return folder / "blobs" / "sha256" / Digest(descriptor["digest"]).hex


def _plain(folder: Path, layer: dict[str, Any]) -> Path:
    """The tar of a layer, beside one that came packed: files are read from where they stand in it."""
    path = _blob(folder, layer)
    if not path.is_file():
        raise ValueError(f"there is no {layer['digest']}")
    if layer["mediaType"] == f"{LAYER}+zstd":
        return _unpacked(path)
    if layer["mediaType"] != LAYER:
        raise ValueError(f"a layer is {layer['mediaType']}")
    return path


def _unpacked(path: Path) -> Path:
    library = zstandard()
    tar = path.with_suffix(".tar")
    try:
        with path.open("rb") as packed, tar.open("wb") as plain:
            library.ZstdDecompressor().copy_stream(packed, plain)
    except library.ZstdError as error:
        raise ValueError(f"{path.name} is damaged: {error}") from error
    return tar
