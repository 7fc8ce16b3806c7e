"""Which layers the images of one name share, and what that saves."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlimage.oci.model import LayerBlob, SealedImage
from mlimage.oci.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedLayer:
    """A layer, and the names of the images that have it, in their order."""

    layer: LayerBlob
    images: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """The layers of several images.

    Attributes:
        images: their names.
        layers: each once: those that all have first, then by the images that have them, bottom first.
    """

    images: tuple[str, ...]
    layers: tuple[SharedLayer, ...]

    @property
    def stored(self) -> int:
        """Bytes of all images together, packed: each layer once."""
        return sum(each.layer.blob.size for each in self.layers)

    @property
    def apart(self) -> int:
        """Bytes of the images if none shared anything."""
        return sum(each.layer.blob.size * len(each.images) for each in self.layers)

    def of(self, images: Sequence[str]) -> int:
        """Bytes of the layers that exactly these images have."""
        return sum(each.layer.blob.size for each in self.layers if each.images == tuple(images))


def sharing(images: Sequence[SealedImage]) -> Sharing:
    """Compare the layers of some images by their digests. Pure."""
    names = tuple(image.name for image in images)
    found: dict[str, LayerBlob] = {}
    owners: dict[str, list[str]] = {}
    for image in images:
        for layer in image.layers:
            found.setdefault(layer.blob.digest, layer)
            having = owners.setdefault(layer.blob.digest, [])
            if image.name not in having:
                having.append(image.name)
    order = {digest: number for number, digest in enumerate(found)}
    ordered = sorted(
        found,
        key=lambda digest: (
            -len(owners[digest]),
            [names.index(name) for name in owners[digest]],
            order[digest],
        ),
    )
    return Sharing(
        images=names,
        layers=tuple(SharedLayer(layer=found[digest], images=tuple(owners[digest])) for digest in ordered),
    )


def variants_of(store: Store, name: str) -> tuple[SealedImage, ...]:
    """The images `NAME:TAG` of a name in the store, by tag.

    Raises:
        BuildError: one of them is damaged.
    """
    tags = store.tags()
    return tuple(store.load(tags[each], name=each) for each in sorted(tags) if each.partition(":")[0] == name)
