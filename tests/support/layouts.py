"""What BuildKit writes, made by hand: OCI layout folders of plain layers with their history."""

import io
import json
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mlimage.digest import Digest
from mlimage.oci.model import CONFIG, INDEX, LAYER, MANIFEST

Tarred = tuple[tarfile.TarInfo, bytes]


def member(
    name: str,
    content: bytes = b"",
    *,
    mode: int = 0o644,
    kind: bytes = tarfile.REGTYPE,
    target: str = "",
) -> Tarred:
    """Something in a layer; times and owners are as builds have them, never twice the same."""
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.type, info.linkname = len(content), mode, kind, target
    info.mtime = 1_790_000_000 + len(name)
    return info, content


def folder(name: str, *, mode: int = 0o755) -> Tarred:
    """A folder."""
    return member(name, mode=mode, kind=tarfile.DIRTYPE)


def symlink(name: str, target: str) -> Tarred:
    """A symbolic link."""
    return member(name, mode=0o777, kind=tarfile.SYMTYPE, target=target)


def hard_link(name: str, target: str) -> Tarred:
    """A hard link."""
    return member(name, kind=tarfile.LNKTYPE, target=target)


def whiteout(path: str) -> Tarred:
    """What hides this path of the layers below."""
    above, _, name = path.rpartition("/")
    return member(f"{above}/.wh.{name}" if above else f".wh.{name}", mode=0)


def opaque(path: str) -> Tarred:
    """What hides all that the layers below have in this folder."""
    return member(f"{path}/.wh..wh..opq", mode=0)


def tar(members: Iterable[Tarred]) -> bytes:
    """The bytes of a layer."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, errors="surrogateescape") as layer:
        for info, content in members:
            layer.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def write_blob(where: Path, content: bytes, media_type: str) -> dict[str, Any]:
    """A blob of the layout, and its descriptor."""
    digest = Digest.of(content)
    (where / "blobs/sha256").mkdir(parents=True, exist_ok=True)
    (where / "blobs/sha256" / digest.hex).write_bytes(content)
    return {"mediaType": media_type, "digest": digest, "size": len(content)}


def write_layout(
    where: Path, layers: Sequence[tuple[str, bytes]], *, nested: bool = False, media_type: str = LAYER
) -> Path:
    """An OCI layout whose layers were made by these instructions; between them are some that made none.

    Args:
        where: the folder.
        layers: `created_by` and tar of each, bottom first.
        nested: the index names an index, as BuildKit's do when there are attestations.
        media_type: of the layers.
    """
    history: list[dict[str, Any]] = []
    for created_by, _ in layers:
        history += [{"created_by": created_by}, {"created_by": "ENV A=b", "empty_layer": True}]
    blobs = [write_blob(where, content, media_type) for _, content in layers]
    config = write_blob(where, json.dumps({"history": history}).encode(), CONFIG)
    manifest = write_blob(where, json.dumps({"config": config, "layers": blobs}).encode(), MANIFEST)
    index = json.dumps({"manifests": [manifest]}).encode()
    if nested:
        index = json.dumps({"manifests": [write_blob(where, index, INDEX)]}).encode()
    (where / "index.json").write_bytes(index)
    return where
