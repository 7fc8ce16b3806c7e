"""Images as other tools make them, and a registry on loopback that has them."""

import gzip
import io
import json
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from mlimage.content.entry import Entry, Kind
from mlimage.digest import Digest, canonical_json
from mlimage.oci.manifests import DOCKER_MANIFEST
from mlimage.oci.model import CONFIG, INDEX, LAYER, MANIFEST
from mlimage.oci.read import DOCKER_INDEX
from support.webserver import WebServer

DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"


@dataclass(frozen=True, kw_only=True)
class Made:
    """A manifest or an index, and the blobs that it needs.

    Attributes:
        content: the document.
        media_type: of it.
        blobs: by digest.
        parts: of an index, its manifests.
        diff_ids: of a manifest, the digests of its layers' tars.
    """

    content: bytes
    media_type: str
    blobs: Mapping[Digest, bytes] = field(default_factory=dict)
    parts: tuple["Made", ...] = ()
    diff_ids: tuple[Digest, ...] = ()

    @property
    def digest(self) -> Digest:
        return Digest.of(self.content)

    @property
    def layers(self) -> list[Digest]:
        """Digests of the layers' blobs."""
        return [Digest(layer["digest"]) for layer in json.loads(self.content)["layers"]]


def image_of(
    *tars: bytes,
    env: Sequence[str] = (),
    docker: bool = False,
    architecture: str = "amd64",
    layer_type: str | None = None,
    packed: Mapping[int, bytes] | None = None,
) -> Made:
    """An image with these tars as its gzipped layers, in OCI's form or in Docker's."""
    config = canonical_json(
        {
            "os": "linux",
            "architecture": architecture,
            "config": {"Env": list(env), "Cmd": ["sh"]},
            "rootfs": {"type": "layers", "diff_ids": [Digest.of(tar) for tar in tars]},
        }
    )
    layers = [gzip.compress(tar, 1, mtime=0) for tar in tars]
    for number, content in (packed or {}).items():
        layers[number] = content
    kind = layer_type or (DOCKER_LAYER if docker else f"{LAYER}+gzip")
    content = canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": DOCKER_MANIFEST if docker else MANIFEST,
            "config": descriptor(config, DOCKER_CONFIG if docker else CONFIG),
            "layers": [descriptor(layer, kind) for layer in layers],
        }
    )
    return Made(
        content=content,
        media_type=DOCKER_MANIFEST if docker else MANIFEST,
        blobs={Digest.of(blob): blob for blob in (config, *layers)},
        diff_ids=tuple(Digest.of(tar) for tar in tars),
    )


def index_of(*images: tuple[str, Made], docker: bool = False) -> Made:
    """An index of images, each with its platform `os/architecture[/variant]`."""
    entries: list[dict[str, Any]] = []
    for platform, image in images:
        os, architecture, *variant = platform.split("/")
        named = {"os": os, "architecture": architecture} | ({"variant": variant[0]} if variant else {})
        entries.append({**descriptor(image.content, image.media_type), "platform": named})
    kind = DOCKER_INDEX if docker else INDEX
    content = canonical_json({"schemaVersion": 2, "mediaType": kind, "manifests": entries})
    return Made(content=content, media_type=kind, parts=tuple(image for _, image in images))


def descriptor(content: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": Digest.of(content), "size": len(content)}


def offer(web: WebServer, repository: str, tag: str, image: Made) -> None:
    """Let a web server answer for the image as a registry does."""
    base = f"/v2/{repository}"
    for each in (image, *image.parts):
        paths = [f"{base}/manifests/{each.digest}", *([f"{base}/manifests/{tag}"] if each is image else [])]
        for path in paths:
            web.files[path] = each.content
            web.types[path] = each.media_type
        web.files.update({f"{base}/blobs/{digest}": blob for digest, blob in each.blobs.items()})


def tar_of_entries(entries: Iterable[Entry], *, hidden: Sequence[str] = ()) -> bytes:
    """A layer as Docker writes it, with whiteouts for `hidden` paths; written by the standard library."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in hidden:
            folder, _, name = path.rpartition("/")
            archive.addfile(tarfile.TarInfo(f"{folder}/.wh.{name}"))
        for entry in entries:
            member = tarfile.TarInfo(entry.path)
            member.mode, member.uid, member.gid, member.mtime = (
                entry.mode,
                entry.uid,
                entry.gid,
                1_700_000_000,
            )
            if entry.kind is Kind.FILE and entry.open is not None:
                member.size = entry.size
                with entry.open() as stream:
                    archive.addfile(member, stream)
                continue
            member.type = tarfile.DIRTYPE if entry.kind is Kind.DIRECTORY else tarfile.SYMTYPE
            member.linkname = entry.target
            archive.addfile(member)
    return buffer.getvalue()


def write_layout(folder: Path, image: Made) -> str:
    """Write the image as an OCI layout; returns what skopeo calls it."""
    place = folder / "blobs" / "sha256"
    place.mkdir(parents=True)
    for each in (image, *image.parts):
        for content in (each.content, *each.blobs.values()):
            (place / Digest.of(content).hex).write_bytes(content)
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    entry = descriptor(image.content, image.media_type)
    entry["annotations"] = {"org.opencontainers.image.ref.name": "it"}
    (folder / "index.json").write_bytes(canonical_json({"schemaVersion": 2, "manifests": [entry]}))
    return f"oci:{folder}:it"
