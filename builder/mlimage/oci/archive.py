"""An image to what other tools read: `oci:DIR`, `oci-archive:FILE`, `docker-archive:FILE`."""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from mlimage.atomic import STANDARD_OUTPUT, atomic_file, writing
from mlimage.content.entry import Entry, Kind, arrange, file_of_bytes
from mlimage.digest import Digest, canonical_json
from mlimage.errors import UsageError
from mlimage.oci.builds import REF_NAME
from mlimage.oci.config import descriptor_json
from mlimage.oci.model import INDEX, Descriptor, SealedImage
from mlimage.oci.store import LAYOUT, Store
from mlimage.oci.tar import CHUNK, tar_chunks

CONTAINERD_NAME: Final = "io.containerd.image.name"
"""Annotation that containerd's store names a loaded image by; it must be a full reference."""
KINDS: Final = ("oci", "oci-archive", "docker-archive")


def write_output(
    image: SealedImage, store: Store, spec: str, *, advance: Callable[[int], None] = lambda _: None
) -> None:
    """Write the image where `spec` says.

    Args:
        image: which.
        store: where its blobs are.
        spec: `oci:DIR` (a new or empty folder, or an OCI layout that gets the image as one more),
            `oci-archive:FILE` (the same as one tar) or `docker-archive:FILE` (what `docker load` takes: every
            Docker, old or new, finds what it reads). FILE may be `-`, standard output. The bytes of a file
            depend on the image alone.
        advance: is told bytes that are done.

    Raises:
        UsageError: it is none of these, or the folder holds something else.
        BuildError: the store lacks a blob, or it is damaged.
        OSError: it cannot be written; what was there before stays.
    """
    kind, place = parse_output(spec)
    chunks = docker_archive_stream if kind == "docker-archive" else oci_archive_stream
    if place == "-":
        if sys.stdout.isatty():
            raise UsageError("an archive is not for a terminal", hint=f"`--output {kind}:- > FILE`")
        with writing(STANDARD_OUTPUT):
            _copy(chunks(image, store), sys.stdout.buffer, advance)
    elif kind == "oci":
        with writing(place):
            _write_layout(image, store, Path(place), advance)
    else:
        with writing(place), atomic_file(Path(place)) as stream:
            _copy(chunks(image, store), stream, advance)


def parse_output(spec: str) -> tuple[str, str]:
    """(kind, place) of an output; raises `UsageError` when it is none, before anything is built for it."""
    kind, colon, place = spec.partition(":")
    if kind not in KINDS or not colon or not place:
        raise UsageError(
            f"no output `{spec}`", hint="write `oci:DIR`, `oci-archive:FILE` or `docker-archive:FILE`"
        )
    if kind == "oci" and place == "-":
        raise UsageError("a folder is not for standard output", hint="write `oci-archive:-`")
    if kind != "oci" and place != "-" and Path(place).is_dir():
        raise UsageError(f"`{place}` is a folder", hint=f"write `{kind}:FILE`, or `oci:DIR`")
    return kind, place


def oci_archive_stream(image: SealedImage, store: Store) -> Iterator[bytes]:
    """A tar of the image's OCI layout, in pieces; raises as `write_output` does."""
    yield from tar_chunks(arrange(_layout(image, store, {REF_NAME: image.name})))


def docker_archive_stream(image: SealedImage, store: Store) -> Iterator[bytes]:
    """What `docker load` reads, in pieces; raises as `write_output` does.

    Both `manifest.json`, which Docker reads with its own image store, and an OCI layout, which it reads since
    25 and with containerd's store; both name the same blobs.
    """
    reference = docker_reference(image.name)
    names = {CONTAINERD_NAME: f"docker.io/library/{reference}", REF_NAME: reference.partition(":")[2]}
    listing = {
        "Config": _place(image.config.digest),
        "RepoTags": [reference],
        "Layers": [_place(layer.blob.digest) for layer in image.layers],
    }
    manifest = file_of_bytes("manifest.json", canonical_json([listing]), origin=image.name)
    yield from tar_chunks(arrange([*_layout(image, store, names), manifest]))


def archive_size(image: SealedImage) -> int:
    """Bytes of the image's blobs: what there is to do, for progress."""
    return sum(blob.size for blob in image_blobs(image))


def docker_reference(name: str) -> str:
    """What Docker calls an image of the store: its name and a tag."""
    return name if ":" in name else f"{name}:latest"


def image_blobs(image: SealedImage) -> tuple[Descriptor, ...]:
    """Manifest, configuration and layers; each blob once, though two layers may be equal."""
    blobs = [image.manifest, image.config, *(layer.blob for layer in image.layers)]
    return tuple({blob.digest: blob for blob in blobs}.values())


def _layout(image: SealedImage, store: Store, annotations: dict[str, str]) -> Iterator[Entry]:
    entry: dict[str, Any] = {
        **descriptor_json(image.manifest),
        "platform": {"os": image.platform.os, "architecture": image.platform.architecture},
        "annotations": annotations,
    }
    index = canonical_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]})
    yield file_of_bytes("index.json", index, origin=image.name)
    yield file_of_bytes("oci-layout", LAYOUT, origin=image.name)
    for blob in image_blobs(image):
        yield Entry(
            path=_place(blob.digest),
            kind=Kind.FILE,
            mode=0o644,
            origin=image.name,
            size=blob.size,
            open=partial(_opened, blob, image, store),
        )


def _opened(blob: Descriptor, image: SealedImage, store: Store) -> BinaryIO:
    return cast("BinaryIO", store.open(blob, name=image.layer_name(blob.digest)))


def _place(digest: Digest) -> str:
    return f"blobs/sha256/{digest.hex}"


def _write_layout(image: SealedImage, store: Store, folder: Path, advance: Callable[[int], None]) -> None:
    """Blobs first, the index last: a reader of the folder finds the whole image or none of it."""
    if folder.exists():
        if not folder.is_dir():
            raise UsageError(f"`{folder}` is no folder", hint="`oci-archive:FILE` writes one file")
        if next(folder.iterdir(), None) is not None and not (folder / "oci-layout").is_file():
            raise UsageError(
                f"`{folder}` is not empty, and no OCI layout", hint="name a new folder: `--output oci:DIR`"
            )
    there = Store(folder)
    there.ready()
    for blob in image_blobs(image):
        if not there.is_sound(blob):
            with (
                store.open(blob, name=image.layer_name(blob.digest)) as source,
                there.blob_writer() as target,
            ):
                while piece := source.read(CHUNK):
                    target.write(piece)
                    advance(len(piece))
                target.commit(blob.media_type)
    there.tag(image)


def _copy(chunks: Iterator[bytes], stream: Any, advance: Callable[[int], None]) -> None:
    for chunk in chunks:
        stream.write(chunk)
        advance(len(chunk))
    stream.flush()
