"""Small sealed images, made as the engine makes them, and layers as other tools make them."""

import gzip
import io
import tarfile
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from mlimage.content.entry import Entry, arrange
from mlimage.digest import Digest, canonical_json
from mlimage.oci.layer import pack
from mlimage.oci.model import CONFIG, LAYER, MANIFEST, LayerBlob, SealedImage
from mlimage.oci.read import read_image
from mlimage.oci.seal import seal
from mlimage.oci.store import Store
from mlimage.plan.model import AppLayer, BuildPlan, Compression, DockerfilePlan, ImageConfig
from mlimage.platforms import LINUX_AMD64
from support.locks import base

CREATED = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


def plan_of(
    names: Sequence[str], *, image: str = "demo", variant: str = "cpu", command: str = "serve"
) -> BuildPlan:
    """A plan with one application layer of each name."""
    return BuildPlan(
        image=image,
        variant=variant,
        accelerator="cpu",
        platform=LINUX_AMD64,
        python="3.11",
        base=base(),
        created=CREATED,
        lock=Digest.of(b"lock"),
        layers=tuple(AppLayer(name=name, source="app", ignore=(), roles=b"{}") for name in names),
        config=ImageConfig(
            env=(("PATH", "/usr/bin:/bin"), ("LANG", "C.UTF-8")),
            entrypoint=("/bin/entry",),
            command=(command,),
            user="65532",
            working_directory="/app",
            labels=(("dev.mlimage.variant", variant),),
            ports=(8080,),
        ),
        compression=Compression.GZIP,
        bytecode=True,
        dockerfile=DockerfilePlan(
            python="python3.11",
            steps=(),
            template=None,
            requirements=f"lockfiles/{image}/{variant}.txt",
            source=f"images/{image}/app",
            folder=f"images/{image}",
            ignore=(),
            indexes=(),
            command=(),
        ),
    )


def packed(
    store: Store, name: str, entries: Iterable[Entry], *, compression: Compression = Compression.GZIP
) -> LayerBlob:
    """A layer of these entries."""
    return pack(arrange(entries), name=name, compression=compression, store=store, advance=lambda _: None)


def sealed(
    store: Store, *, image: str = "demo", variant: str = "cpu", **layers: Iterable[Entry]
) -> SealedImage:
    """An image whose layers have these names and entries, bottom first."""
    blobs = [packed(store, name, entries) for name, entries in layers.items()]
    return seal(plan_of(list(layers), image=image, variant=variant), blobs, store)


def foreign(store: Store, *layers: bytes, name: str = "foreign:cpu") -> SealedImage:
    """An image of another tool: gzipped layers with these tars, and no annotations."""
    blobs = [store.put(gzip.compress(layer, mtime=0), LAYER + "+gzip") for layer in layers]
    config = store.put(
        canonical_json(
            {
                "os": "linux",
                "architecture": "amd64",
                "rootfs": {"type": "layers", "diff_ids": [Digest.of(layer) for layer in layers]},
            }
        ),
        CONFIG,
    )
    text = canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": config.digest, "size": config.size},
            "layers": [
                {"mediaType": blob.media_type, "digest": blob.digest, "size": blob.size} for blob in blobs
            ],
        }
    )
    manifest = store.put(text, MANIFEST)
    return read_image(manifest, text, store.read(config), name=name)


def tar_of(
    *members: tuple[str, bytes, str | bytes],
    format: int = tarfile.PAX_FORMAT,  # noqa: A002 - tarfile's word
    mtime: int = 0,
) -> bytes:
    """A tar of (name, type, target or content), written by the standard library."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as archive:
        for name, kind, rest in members:
            member = tarfile.TarInfo(name)
            member.type = kind
            member.mtime = mtime
            member.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
            if isinstance(rest, bytes):
                member.size = len(rest)
                archive.addfile(member, io.BytesIO(rest))
            else:
                member.linkname = rest
                archive.addfile(member)
    return buffer.getvalue()
