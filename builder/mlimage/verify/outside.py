"""What only the outside knows of an image, added to what it says of itself. Pure."""

from collections.abc import Mapping
from typing import Any

from mlimage.oci.model import SealedImage


def known_outside(
    fingerprint: Mapping[str, Any], image: SealedImage, labels: Mapping[str, str], *, emulated: bool
) -> dict[str, Any]:
    """The fingerprint with the image's digests, and marked where its CPU is emulated.

    Args:
        fingerprint: what the image said.
        image: the image.
        labels: those of its configuration.
        emulated: whether its platform is not that of the machine; inside, a good emulator cannot be seen.
    """
    seen = bool(fingerprint["cpu"]["emulated"])
    architecture, semicolon, rest = str(fingerprint["numeric_class"]).partition(";")
    marked = f"{architecture}:emulated" if emulated and not seen else architecture
    return {
        **fingerprint,
        "image": {
            "name": image.name,
            "digest": str(image.digest),
            "id": str(image.image_id),
            "lock": labels.get("dev.mlimage.lock"),
            "base": labels.get("dev.mlimage.base"),
            "variant": labels.get("dev.mlimage.variant"),
        },
        "numeric_class": marked + semicolon + rest,
        "cpu": {**fingerprint["cpu"], "emulated": emulated or seen},
    }
