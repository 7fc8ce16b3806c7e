"""SBOMs of an image, made from its lock: what is in it is known before it is built. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from mlimage.lock.model import Lock
from mlimage.release import cyclonedx, spdx
from mlimage.release.parts import PartsList, parts_of
from mlimage.spec.tags import ImageTag

FormatName = Literal["cyclonedx", "spdx"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A form of SBOMs: its media type, and who writes it."""

    media_type: str
    write: Callable[[PartsList], bytes]


FORMATS: Final[Mapping[FormatName, Format]] = {
    "cyclonedx": Format(media_type=cyclonedx.MEDIA_TYPE, write=cyclonedx.cyclonedx),
    "spdx": Format(media_type=spdx.MEDIA_TYPE, write=spdx.spdx),
}


def sbom(lock: Lock, tag: ImageTag, format: FormatName) -> bytes:  # noqa: A002 - the word for it
    """The SBOM of the image with a tag of a lock, JSON. The same lock and mlimage give the same bytes."""
    return FORMATS[format].write(parts_of(lock, tag))
