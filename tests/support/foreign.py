"""Images as other tools write them: archives of `docker save`, and layouts with little in them."""

import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlimage.digest import Digest, canonical_json
from mlimage.oci.found import FoundImage, in_store
from mlimage.oci.store import Store
from support.sealing import foreign, tar_of

REGISTRY_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
REGISTRY_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


def found(store: Store, *layers: bytes) -> FoundImage:
    """An image of another tool with these tars as layers."""
    return in_store(foreign(store, *layers), store)


def config_of(*layers: bytes, **more: Any) -> bytes:
    """A configuration of an image with these tars as layers."""
    diff_ids = [Digest.of(layer) for layer in layers]
    document = {
        "os": "linux",
        "architecture": "amd64",
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }
    return json.dumps({**document, **more}).encode()


def write_archive(path: Path, files: Mapping[str, bytes], *links: tuple[str, str]) -> None:
    """A tar with these files, and symbolic links (name, target)."""
    path.write_bytes(
        tar_of(
            *((name, tarfile.REGTYPE, content) for name, content in files.items()),
            *((name, tarfile.SYMTYPE, target) for name, target in links),
        )
    )


def docker_save(path: Path, *layers: bytes, names: Sequence[str] = ("demo:latest",), **config: Any) -> None:
    """What `docker save` wrote before version 25: the tars of layers in folders, and no manifest."""
    text = config_of(*layers, **config)
    places = [f"{number:064x}/layer.tar" for number in range(len(layers))]
    name = f"{Digest.of(text).hex}.json"
    write_archive(
        path,
        {
            **dict(zip(places, layers, strict=True)),
            name: text,
            "manifest.json": json.dumps(
                [{"Config": name, "RepoTags": list(names), "Layers": places}]
            ).encode(),
        },
    )


def layout_files(
    *images: tuple[str, Sequence[bytes]],
    media_type: str = REGISTRY_LAYER,
    platforms: Sequence[str] = (),
) -> dict[str, bytes]:
    """A layout of (reference, stored layers) whose media types are the older ones of registries.

    Layers are taken as they are: their tars are what they unpack to, which `diff_ids` does not say where
    they are compressed. With `platforms`, the index has each image for one of them, and no references.
    """
    files: dict[str, bytes] = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}

    def put(content: bytes, kind: str) -> dict[str, Any]:
        digest = Digest.of(content)
        files[f"blobs/sha256/{digest.hex}"] = content
        return {"mediaType": kind, "digest": digest, "size": len(content)}

    entries = []
    for number, (reference, layers) in enumerate(images):
        manifest = {
            "schemaVersion": 2,
            "config": put(config_of(*layers), "application/vnd.docker.container.image.v1+json"),
            "layers": [put(layer, media_type) for layer in layers],
        }
        entry = put(canonical_json(manifest), REGISTRY_MANIFEST)
        if platforms:
            os, architecture = platforms[number].split("/")
            entry["platform"] = {"os": os, "architecture": architecture}
        elif reference:
            entry["annotations"] = {"org.opencontainers.image.ref.name": reference}
        entries.append(entry)
    files["index.json"] = canonical_json({"schemaVersion": 2, "manifests": entries})
    return files


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """The files of a layout as a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
