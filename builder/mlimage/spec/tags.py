"""Tags: what stands behind the colon in the name of an image, as in `churn:cpu-serve-arm64`."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from mlimage.platforms import LINUX_AMD64, Platform
from mlimage.spec.variants import in_order

if TYPE_CHECKING:
    from mlimage.spec.model import ImageSpec

RoleName = Literal["train", "serve"]
ROLES: Final[tuple[RoleName, ...]] = ("train", "serve")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTag:
    """Which of a spec's images, or of its locks, is meant.

    Attributes:
        variant: name of the variant.
        role: of an image that is for one role (`split: true`); None where it is for all, as every lock is.
        platform: of the image.
    """

    variant: str
    role: RoleName | None = None
    platform: Platform = LINUX_AMD64

    def __str__(self) -> str:
        """`VARIANT`, `VARIANT-ROLE`, `VARIANT-ARCHITECTURE`, `VARIANT-ROLE-ARCHITECTURE`; amd64 goes unsaid.

        >>> str(ImageTag(variant="cpu", role="serve", platform=Platform("linux", "arm64")))
        'cpu-serve-arm64'
        """
        architecture = None if self.platform == LINUX_AMD64 else self.platform.architecture
        return "-".join(part for part in (self.variant, self.role, architecture) if part)

    @property
    def of_lock(self) -> "ImageTag":
        """The lock that the image is built from: all roles have one."""
        return replace(self, role=None)


def platforms_of(spec: "ImageSpec") -> tuple[Platform, ...]:
    """The platforms that the spec names, in its order."""
    return tuple(Platform.parse(text) for text in spec.platforms)


def lock_tags(spec: "ImageSpec") -> tuple[ImageTag, ...]:
    """One for each lock, in the order in which they are resolved: what the first gets, the others get too."""
    return tuple(
        ImageTag(variant=variant, platform=platform)
        for platform in platforms_of(spec)
        for variant in in_order(spec)
    )


def image_tags(spec: "ImageSpec") -> tuple[ImageTag, ...]:
    """One for each image, variants in the order of the spec."""
    roles = tuple(role for role in ROLES if getattr(spec, role)) if spec.split else (None,)
    return tuple(
        ImageTag(variant=variant, role=role, platform=platform)
        for variant in spec.variants
        for role in roles
        for platform in platforms_of(spec)
    )
