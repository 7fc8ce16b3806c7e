"""Documents of a registry, of OCI's and of Docker's form, to what a base needs of them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mlimage.digest import Digest
from mlimage.lock.model import ImageLayer
from mlimage.oci.model import CONFIG, INDEX, LAYER, MANIFEST, Descriptor
from mlimage.oci.read import read_descriptor, read_object
from mlimage.platforms import Platform

DOCKER_INDEX: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
ACCEPTED: Final = (INDEX, DOCKER_INDEX, MANIFEST, DOCKER_MANIFEST)
"""What a registry is asked for."""
_SCHEMA_1: Final = "application/vnd.docker.distribution.manifest.v1+"
_CONFIGS: Final = frozenset({CONFIG, "application/vnd.docker.container.image.v1+json"})
_LAYERS: Final = {
    LAYER: LAYER,
    f"{LAYER}+gzip": f"{LAYER}+gzip",
    f"{LAYER}+zstd": f"{LAYER}+zstd",
    "application/vnd.docker.image.rootfs.diff.tar": LAYER,
    "application/vnd.docker.image.rootfs.diff.tar.gzip": f"{LAYER}+gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd": f"{LAYER}+zstd",
}
"""Media types of layers, each with OCI's for the same bytes."""
_ELSEWHERE: Final = (f"{LAYER.removesuffix('.tar')}.nondistributable", ".rootfs.foreign.")
_OLDEST_VARIANTS: Final = {"amd64": ("", "v1"), "arm64": ("", "v8")}
"""Variants of an architecture that every machine of it runs."""


class ManifestError(ValueError):
    """A document is not what it should be, or has what a base cannot have; the message says it."""


class NoPlatformError(ManifestError):
    """The image is not there for a platform."""

    def __init__(self, platforms: Sequence[str]) -> None:
        super().__init__("not there for the platform")
        self.platforms = tuple(platforms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One platform's image: its configuration, and its layers, bottom first, with media types as they are."""

    config: Descriptor
    layers: tuple[Descriptor, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What a base needs of an image's configuration."""

    env: tuple[tuple[str, str], ...]
    diff_ids: tuple[Digest, ...]


def read_manifest(content: bytes, media_type: str, platform: Platform) -> Manifest | Descriptor:
    """The manifest, or of an index the descriptor of the manifest for the platform.

    Args:
        content: the document.
        media_type: what the registry calls it; what the document says of itself counts more.
        platform: which is wanted.

    Raises:
        NoPlatformError: it is an index without the platform.
        ManifestError: it is neither, or of an old form.
    """
    document = _object(content)
    kind = str(document.get("mediaType") or media_type.partition(";")[0].strip())
    if document.get("schemaVersion") == 1 or kind.startswith(_SCHEMA_1):
        raise ManifestError(
            "has the form of before 2016 (manifest schema 1), which has no digests of what is in its layers"
        )
    if "manifests" in document and "layers" in document:  # CVE-2021-41190
        raise ManifestError("is an index and a manifest at once")
    if kind in {INDEX, DOCKER_INDEX} or (kind not in ACCEPTED and "manifests" in document):
        return _chosen(document, platform)
    match document:
        case {"config": dict(config), "layers": list(layers)}:
            pass
        case _:
            raise ManifestError(f"is no image: the registry calls it `{kind}`")
    found = Manifest(config=_descriptor(config), layers=tuple(map(_layer, layers)))
    if found.config.media_type not in _CONFIGS:
        raise ManifestError(f"is no image, but something else: `{found.config.media_type}`")
    return found


def read_config(content: bytes, platform: Platform) -> Config:
    """What a base needs of a configuration.

    Raises:
        NoPlatformError: it is for another platform.
        ManifestError: it is none.
    """
    match _object(content):
        case {
            "os": str(os),
            "architecture": str(architecture),
            "rootfs": {"diff_ids": list(diff_ids)},
            **rest,
        }:
            pass
        case _:
            raise ManifestError("has a configuration that is none of an image")
    if (os, architecture) != (platform.os, platform.architecture):
        raise NoPlatformError([f"{os}/{architecture}"])
    settings = rest.get("config")
    env = settings.get("Env") if isinstance(settings, dict) else None
    pairs = [text.partition("=") for text in env or () if isinstance(text, str)]
    try:
        return Config(
            env=tuple(sorted({name: value for name, _, value in pairs if name}.items())),
            diff_ids=tuple(Digest(text) for text in diff_ids),
        )
    except (ValueError, TypeError):
        raise ManifestError("has a configuration with a digest that is none of SHA-256") from None


def layers_of(manifest: Manifest, config: Config) -> tuple[ImageLayer, ...]:
    """The layers with all that is known; raises `ManifestError` when the two do not fit each other."""
    if len(manifest.layers) != len(config.diff_ids):
        raise ManifestError(
            f"has {len(manifest.layers)} layers in its manifest, "
            f"and {len(config.diff_ids)} in its configuration"
        )
    return tuple(
        ImageLayer(media_type=_LAYERS[blob.media_type], digest=blob.digest, size=blob.size, diff_id=diff_id)
        for blob, diff_id in zip(manifest.layers, config.diff_ids, strict=True)
    )


def _chosen(document: Mapping[str, Any], platform: Platform) -> Descriptor:
    entries = document.get("manifests")
    if not isinstance(entries, list):
        raise ManifestError("is an index without manifests")
    there: dict[str, Descriptor] = {}
    for entry in entries:
        match entry:
            case {"platform": {"os": str(os), "architecture": str(architecture), **more}}:
                variant = more.get("variant") or ""
                if os != "unknown":  # what BuildKit calls the platform of an attestation
                    name = f"{os}/{architecture}" + (f"/{variant}" if variant else "")
                    there.setdefault(name, _descriptor(entry))
            case _:
                continue
    for variant in _OLDEST_VARIANTS[platform.architecture]:
        found = there.get(f"{platform}/{variant}" if variant else str(platform))
        if found is not None:
            return found
    raise NoPlatformError(list(there))


def _layer(value: object) -> Descriptor:
    if not isinstance(value, dict):
        raise ManifestError("has a layer that is none")
    layer = _descriptor(value)
    if value.get("urls") or any(part in layer.media_type for part in _ELSEWHERE):
        raise ManifestError(f"has a layer that the registry itself may not give: {layer.digest}")
    if layer.media_type not in _LAYERS:
        raise ManifestError(f"has a layer of a kind that is not known here: `{layer.media_type}`")
    return layer


def _descriptor(value: Mapping[str, Any]) -> Descriptor:
    try:
        return read_descriptor(value)
    except ValueError:
        raise ManifestError("has a descriptor that is none of SHA-256") from None


def _object(content: bytes) -> dict[str, Any]:
    try:
        return read_object(content)
    except (ValueError, RecursionError):
        raise ManifestError("is no JSON object") from None
