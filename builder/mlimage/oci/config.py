"""The two JSON documents of an image: its configuration and its manifest, as OCI image-spec 1.1 has them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from mlimage.digest import canonical_json
from mlimage.oci.model import MANIFEST, Descriptor, LayerBlob
from mlimage.plan.model import (
    AppLayer,
    AptLayer,
    BaseLayer,
    BuildPlan,
    GoldenLayer,
    Layer,
    LibraryLayer,
    PackageLayer,
    PulledLayer,
    RecipeLayer,
    RuntimeLayer,
    StepsLayer,
)

NAME: Final = "dev.mlimage.name"
"""Annotation of a manifest: the image's name in the local store, `NAME:VARIANT`."""
LAYER_NAME: Final = "dev.mlimage.layer"
"""Annotation of a layer: its name."""
LAYER_SIZE: Final = "dev.mlimage.uncompressed-size"
"""Annotation of a layer: bytes of its tar."""


def config_json(plan: BuildPlan, layers: Sequence[LayerBlob]) -> bytes:
    """The configuration. Its digest is the image id; nothing in it depends on how layers are compressed."""
    created = rfc3339(plan.created)
    run = plan.config
    return canonical_json(
        {
            "architecture": plan.platform.architecture,
            "os": plan.platform.os,
            "created": created,
            "config": {
                "User": run.user,
                "ExposedPorts": {f"{port}/tcp": {} for port in run.ports},
                "Env": [f"{name}={value}" for name, value in run.env],
                "Entrypoint": list(run.entrypoint),
                "Cmd": list(run.command),
                "WorkingDir": run.working_directory,
                "Labels": dict(run.labels),
                "StopSignal": "SIGTERM",
            },
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
            "history": [
                {"created": created, "created_by": f"mlimage {layer.name}", "comment": comment(layer)}
                for layer in plan.layers
            ],
        }
    )


def manifest_json(plan: BuildPlan, config: Descriptor, layers: Sequence[LayerBlob]) -> bytes:
    """The manifest. Its annotations are what it takes to tell the layers apart again."""
    return canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor_json(config),
            "layers": [
                descriptor_json(layer.blob)
                | {"annotations": {LAYER_NAME: layer.name, LAYER_SIZE: str(layer.uncompressed_size)}}
                for layer in layers
            ],
            "annotations": {
                NAME: plan.name,
                "org.opencontainers.image.created": rfc3339(plan.created),
            },
        }
    )


def comment(layer: Layer) -> str:
    """What is in a layer, in one line of `docker history`."""
    match layer:
        case BaseLayer():
            return f"{layer.base.suite}, python {layer.base.python}, {len(layer.base.debs)} debs"
        case LibraryLayer():
            return f"bytecode of python {layer.base.installation.version}'s standard library"
        case PulledLayer():
            return f"layer of the base image, {layer.layer.digest.short}"
        case AptLayer():
            return ", ".join(f"{deb.name} {deb.version}" for deb in layer.debs)
        case PackageLayer():
            return ", ".join(f"{package.name} {package.version}" for package in layer.packages)
        case RuntimeLayer():
            return "entry point and virtual environment"
        case RecipeLayer():
            return "spec and lock"
        case AppLayer():
            return "application"
        case GoldenLayer():
            return "model and golden record"
        case StepsLayer():
            return "what the steps of the build changed"


def descriptor_json(descriptor: Descriptor) -> dict[str, object]:
    """A descriptor without annotations."""
    return {"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size}


def rfc3339(moment: datetime) -> str:
    """To the second, in UTC, as OCI writes times; raises `ValueError` for a time without zone."""
    if moment.tzinfo is None:
        raise ValueError("a time without its zone")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
