"""Which image of an index this machine gets, and why. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from packaging.version import Version

from mlimage.errors import UsageError
from mlimage.oci.manifests import NoPlatformError
from mlimage.oci.model import Descriptor
from mlimage.oci.read import Entry
from mlimage.platforms import Platform
from mlimage.release.index import ACCELERATOR, DRIVER, ROLE, VARIANT
from mlimage.spec.tags import RoleName
from mlimage.spec.variants import CPU

AUTO: Final = "auto"
_CUDA: Final = "cuda"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An image of an index.

    Attributes:
        manifest: its manifest.
        platform: `os/architecture`, as the index says it; empty where it does not.
        variant: name of the variant; empty where mlimage did not write the index.
        accelerator: the hardware that it is for.
        role: what it is for, where each role has an image; else None.
        driver: the oldest driver that runs it, where it needs one.
    """

    manifest: Descriptor
    platform: str
    variant: str
    accelerator: str
    role: str | None
    driver: str | None


def offers_of(entries: Iterable[Entry]) -> tuple[Offer, ...]:
    """What the entries of an index offer, in their order; what BuildKit says of images is none."""
    return tuple(
        Offer(
            manifest=entry.blob,
            platform=entry.platform,
            variant=entry.annotations.get(VARIANT, ""),
            accelerator=entry.annotations.get(ACCELERATOR, ""),
            role=entry.annotations.get(ROLE),
            driver=entry.annotations.get(DRIVER),
        )
        for entry in entries
        if not entry.is_attestation
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a machine is, and what its user wants.

    Attributes:
        platform: of the machine.
        driver: version of its NVIDIA driver; None where it has none.
        variant: name of one, or of an accelerator; `auto`: that for CUDA where the driver is new enough, else
            that for the CPU.
        role: what the image is wanted for.
    """

    platform: Platform
    driver: str | None = None
    variant: str = AUTO
    role: RoleName | None = None


def choose(offers: Sequence[Offer], wish: Wish, *, name: str) -> tuple[Offer, str]:
    """The image that a machine gets, and why, for people; `name` is that of the image, for messages.

    Raises:
        NoPlatformError: there is none for the platform.
        UsageError: there is none of the variant or for the role, or none that this machine runs.
    """
    platform, variant, role = wish.platform, wish.variant, wish.role
    there = [offer for offer in offers if offer.platform == str(platform)]
    if not there:
        raise NoPlatformError([offer.platform for offer in offers])
    if role is not None:
        fitting = [offer for offer in there if offer.role in {None, role}]
        if not fitting:
            known = _listed(there, lambda offer: offer.role)
            raise UsageError(f"`{name}` has no image for the role `{role}`", hint=f"it has {known}")
        there = fitting
    if variant != AUTO:
        chosen = next((offer for offer in there if variant in {offer.variant, offer.accelerator}), None)
        if chosen is None:
            known = _listed(there, lambda offer: offer.variant)
            raise UsageError(f"`{name}` has no variant `{variant}`", hint=f"it has {known}")
        return chosen, "as asked for"
    return _for_machine(there, wish.driver, name)


def _for_machine(there: Sequence[Offer], driver: str | None, name: str) -> tuple[Offer, str]:
    cuda = [offer for offer in there if offer.accelerator == _CUDA]
    rest = [offer for offer in there if offer.accelerator in {CPU, ""}]
    if driver is not None:
        for offer in cuda:
            if offer.driver is None or _version(driver) >= _version(offer.driver):
                return offer, f"driver {driver} is here, {offer.driver or 'any'} or newer is needed"
    if driver is None:
        why = "no NVIDIA driver is here"
    elif cuda:
        why = f"driver {driver} is older than {cuda[0].driver}, which `{cuda[0].variant}` needs"
    else:
        why = "there is none for CUDA"
    if not rest:
        known = _listed(there, lambda offer: offer.variant)
        raise UsageError(
            f"`{name}` has no image for the CPU, and {why}", hint=f"`--variant` takes one anyway: {known}"
        )
    return rest[0], why if cuda else "there is none for CUDA"


def _version(text: str) -> Version:
    try:
        return Version(text)
    except ValueError:
        return Version("0")


def _listed(offers: Sequence[Offer], of: Callable[[Offer], object]) -> str:
    values = dict.fromkeys(of(offer) for offer in offers)
    return ", ".join(f"`{value}`" for value in values if value) or "none"
