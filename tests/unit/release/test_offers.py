"""Which image of an index a machine gets, and why."""

from dataclasses import replace
from typing import Any

import pytest

from mlimage.digest import Digest
from mlimage.errors import UsageError
from mlimage.oci.manifests import NoPlatformError
from mlimage.oci.model import MANIFEST, Descriptor
from mlimage.platforms import LINUX_AMD64, LINUX_ARM64
from mlimage.release.offers import Offer, Wish, choose


def offer(variant: str, platform: str = "linux/amd64", **more: Any) -> Offer:
    accelerator = variant.rstrip("0123456789")
    made = Offer(
        manifest=Descriptor(media_type=MANIFEST, digest=Digest.of(variant.encode()), size=1),
        platform=platform,
        variant=variant,
        accelerator=accelerator,
        role=None,
        driver="525.60.13" if accelerator == "cuda" else None,
    )
    return replace(made, **more)


BOTH = (offer("cpu"), offer("cuda12"), offer("cpu", "linux/arm64"))
ROLES = (offer("cpu", role="serve"), offer("cpu", role="train"))


@pytest.mark.parametrize(
    ("offers", "wishes", "variant", "why"),
    [
        (BOTH, {}, "cpu", "no NVIDIA driver is here"),
        (BOTH, {"driver": "535.104.05"}, "cuda12", "driver 535.104.05 is here, 525.60.13 or newer is needed"),
        (BOTH, {"driver": "525.60.13"}, "cuda12", "driver 525.60.13 is here, 525.60.13 or newer is needed"),
        (
            BOTH,
            {"driver": "470.82.01"},
            "cpu",
            "driver 470.82.01 is older than 525.60.13, which `cuda12` needs",
        ),
        (BOTH, {"driver": "535.1", "platform": LINUX_ARM64}, "cpu", "there is none for CUDA"),
        (BOTH, {"variant": "cuda"}, "cuda12", "as asked for"),
        (BOTH, {"variant": "cpu", "driver": "535.1"}, "cpu", "as asked for"),
        (
            (offer("cuda13", driver="580"), offer("cuda12"), offer("cpu")),
            {"driver": "550.1"},
            "cuda12",
            "driver 550.1 is here, 525.60.13 or newer is needed",
        ),
        ((offer("", accelerator=""),), {"driver": "535.1"}, "", "there is none for CUDA"),
    ],
)
def test_what_a_machine_gets(
    offers: tuple[Offer, ...], wishes: dict[str, Any], variant: str, why: str
) -> None:
    wish = Wish(**{"platform": LINUX_AMD64, **wishes})
    chosen, told = choose(offers, wish, name="churn")
    assert (chosen.variant, told) == (variant, why)
    assert chosen.platform == str(wish.platform)


def test_the_role_decides_where_each_has_an_image() -> None:
    for role in ("train", "serve"):
        chosen, _ = choose(ROLES, Wish(platform=LINUX_AMD64, role=role), name="churn")
        assert chosen.role == role
    chosen, _ = choose(ROLES, Wish(platform=LINUX_AMD64), name="churn")
    assert chosen.role == "serve"


@pytest.mark.parametrize(
    ("offers", "wishes", "message", "hint"),
    [
        (BOTH, {"variant": "rocm"}, "`churn` has no variant `rocm`", "it has `cpu`, `cuda12`"),
        (ROLES[:1], {"role": "train"}, "`churn` has no image for the role `train`", "it has `serve`"),
        (
            BOTH[1:2],
            {},
            "`churn` has no image for the CPU, and no NVIDIA driver is here",
            "`--variant` takes one anyway: `cuda12`",
        ),
    ],
)
def test_what_it_does_not_get(
    offers: tuple[Offer, ...], wishes: dict[str, Any], message: str, hint: str
) -> None:
    wish = Wish(**{"platform": LINUX_AMD64, **wishes})
    with pytest.raises(UsageError) as caught:
        choose(offers, wish, name="churn")
    assert (str(caught.value), caught.value.hint) == (message, hint)


def test_a_platform_that_it_is_not_there_for() -> None:
    for offers, platforms, hint in (
        (BOTH[:2], ("linux/amd64",), "it is there for `linux/amd64`"),
        ((), (), "its index names no platform"),
        ((offer("cpu", ""),), (), "its index names no platform"),
    ):
        with pytest.raises(NoPlatformError) as caught:
            choose(offers, Wish(platform=LINUX_ARM64), name="churn")
        assert (caught.value.platforms, caught.value.hint) == (platforms, hint)


def test_a_version_of_a_driver_that_is_none() -> None:
    """Python computes with no number of more than 4300 digits."""
    for version in ("9" * 5000, "x", ""):
        odd = (offer("cuda12", driver=version or None), offer("cpu"))
        assert choose(odd, Wish(platform=LINUX_AMD64, driver="535.1"), name="churn")[0].variant == "cuda12"
    huge = (offer("cuda12"), offer("cpu"))
    assert choose(huge, Wish(platform=LINUX_AMD64, driver="9" * 5000), name="churn")[0].variant == "cpu"
