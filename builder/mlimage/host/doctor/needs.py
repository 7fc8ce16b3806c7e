"""What an image needs of a machine, as its configuration tells."""

from mlimage.cache import Cache
from mlimage.host.doctor.model import Needs
from mlimage.oci.model import SealedImage
from mlimage.oci.store import Store


def needs_of(image: SealedImage, store: Store, cache: Cache) -> Needs:
    """Of an image in the store; raises `BuildError` when it is damaged."""
    labels = store.configuration(image).labels
    return Needs(
        name=image.name,
        platform=image.platform,
        strict=labels.get("dev.mlimage.profile") == "strict",
        cuda=labels.get("dev.mlimage.cuda"),
        driver=labels.get("dev.mlimage.min-driver"),
        unpacked=sum(layer.uncompressed_size for layer in image.layers),
        here=(cache.unpacked / image.image_id.hex).is_dir(),
    )
