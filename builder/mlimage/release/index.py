"""The index under which all images of a name go to a registry. Pure."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from mlimage.digest import canonical_json
from mlimage.oci.config import descriptor_json
from mlimage.oci.model import INDEX, SealedImage
from mlimage.plan.model import BuildPlan
from mlimage.spec.tags import ImageTag
from mlimage.spec.variants import CPU

VARIANT: Final = "dev.mlimage.variant"
ACCELERATOR: Final = "dev.mlimage.accelerator"
ROLE: Final = "dev.mlimage.role"
DRIVER: Final = "dev.mlimage.min-driver"
_TAG_DIGITS: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An image of the index.

    Attributes:
        image: the image.
        tag: which of the spec's images it is.
        accelerator: the hardware that it is for.
        driver: the oldest driver that runs it, where it needs one.
    """

    image: SealedImage
    tag: ImageTag
    accelerator: str
    driver: str | None = None


def member_of(plan: BuildPlan, image: SealedImage) -> Member:
    """The image of a plan."""
    driver = dict(plan.config.labels).get(DRIVER)
    return Member(image=image, tag=plan.tag, accelerator=plan.accelerator, driver=driver)


def index_of(members: Sequence[Member], *, title: str) -> bytes:
    """The index, canonical JSON.

    The images for the CPU come first, of them those that serve: clients that know nothing of variants take
    the first one of their platform.
    """
    ordered = sorted(members, key=lambda each: (each.accelerator != CPU, each.tag.role == "train"))
    return canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": [_entry(each) for each in ordered],
            "annotations": {"org.opencontainers.image.title": title},
        }
    )


def _entry(member: Member) -> Mapping[str, Any]:
    platform = member.image.platform
    said = {
        VARIANT: member.tag.variant,
        ACCELERATOR: member.accelerator,
        ROLE: member.tag.role,
        DRIVER: member.driver,
    }
    return {
        **descriptor_json(member.image.manifest),
        "platform": {"os": platform.os, "architecture": platform.architecture},
        "annotations": {name: value for name, value in said.items() if value},
    }


def content_tag(images: Sequence[SealedImage], as_of: datetime) -> str:
    """The tag of what is in some images: the date of their lock, and a digest of the image ids.

    Equal inputs give equal image ids, and so one tag. It tells nothing of how layers are compressed.
    """
    ids = sorted({image.image_id for image in images})
    digest = hashlib.sha256(canonical_json(ids)).hexdigest()
    return f"{as_of:%Y%m%d}-{digest[:_TAG_DIGITS]}"
