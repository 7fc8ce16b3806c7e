"""Values of the OCI image specification, https://github.com/opencontainers/image-spec."""

from dataclasses import dataclass
from typing import Final

from mlimage.digest import Digest
from mlimage.platforms import Platform

INDEX: Final = "application/vnd.oci.image.index.v1+json"
MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
CONFIG: Final = "application/vnd.oci.image.config.v1+json"
LAYER: Final = "application/vnd.oci.image.layer.v1.tar"


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """A blob: what it is, its digest, its bytes."""

    media_type: str
    digest: Digest
    size: int


EMPTY_CONTENT: Final = b"{}"
EMPTY: Final = Descriptor(
    media_type="application/vnd.oci.empty.v1+json",
    digest=Digest.of(EMPTY_CONTENT),
    size=len(EMPTY_CONTENT),
)
"""The configuration of a manifest that is of no image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerBlob:
    """A layer as it lies in the store.

    Attributes:
        name: for people; the history entry of the image's configuration.
        diff_id: digest of the uncompressed tar.
        blob: the stored, usually compressed, bytes.
        uncompressed_size: bytes of the tar.
    """

    name: str
    diff_id: Digest
    blob: Descriptor
    uncompressed_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedImage:
    """A finished image in canonical form.

    Attributes:
        name: `image:variant`, the reference in the local store.
        platform: of the image.
        manifest: the manifest; its digest is the image's digest.
        config: the configuration; its digest is the image id.
        layers: bottom first.
    """

    name: str
    platform: Platform
    manifest: Descriptor
    config: Descriptor
    layers: tuple[LayerBlob, ...]

    @property
    def digest(self) -> Digest:
        """Digest of the manifest: what registries name the image by."""
        return self.manifest.digest

    def layer_name(self, digest: Digest) -> str | None:
        """What people call the layer with this blob; None where the image has no such layer."""
        return next((layer.name for layer in self.layers if layer.blob.digest == digest), None)

    @property
    def image_id(self) -> Digest:
        """Digest of the configuration: the same whatever compresses the layers."""
        return self.config.digest
