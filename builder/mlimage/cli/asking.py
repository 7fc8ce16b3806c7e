"""What the verbs share that ask an image about itself: finding it, and running the words of its runtime."""

from dataclasses import dataclass
from os import environ, getegid, geteuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from mlimage.cache import Cache
    from mlimage.cli.screen import Screen
    from mlimage.oci.model import SealedImage
    from mlimage.oci.store import Store
    from mlimage.spec.tags import RoleName


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Under what an image is asked: as the options of these names say."""

    variant: str | None
    runtime: Literal["auto", "docker", "sandbox"]
    env: tuple[str, ...]
    memory: str | None
    cpus: float | None
    gpus: str | None
    timeout: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What an image said: the JSON of its word, and whether the word's status was 0."""

    said: dict[str, Any]
    well: bool


def image_named(
    text: str,
    screen: "Screen",
    cache: "Cache",
    store: "Store",
    *,
    variant: str | None,
    role: "RoleName | None" = None,
    plain: bool = False,
    project: Path = Path(),
    golden: bool = True,
) -> "SealedImage":
    """The image that is meant, as `image_here` finds it; one of a registry is pulled."""
    from mlimage.cli.finding import image_here
    from mlimage.cli.pull import pulled_from
    from mlimage.oci.reference import with_variant
    from mlimage.platforms import host_platform

    if "/" in text:
        with cache.in_use():
            return pulled_from(text, screen, cache, variant=variant or "auto", role=role, plain=plain).image
    return image_here(
        with_variant(text, variant),
        cache,
        store,
        project=project,
        role=role,
        platform=host_platform(),
        golden=golden,
    )


def asked(text: str, screen: "Screen", conditions: Conditions, *arguments: str) -> Asked:
    """Find the image, and do as `asked_of`."""
    from mlimage.cache import default_cache
    from mlimage.oci.store import Store

    cache = default_cache(environ)
    image = image_named(text, screen, cache, Store(cache.store), variant=conditions.variant)
    return asked_of(image, screen, conditions, *arguments)


def asked_of(image: "SealedImage", screen: "Screen", conditions: Conditions, *arguments: str) -> Asked:
    """Run this word of an image's runtime, and add to its fingerprint what the outside knows."""
    from mlimage.cache import default_cache
    from mlimage.host.ask import ask, need_word
    from mlimage.host.choose import choose
    from mlimage.host.contract import User, read_contract
    from mlimage.host.prepare import Wishes, prepare
    from mlimage.oci.store import Store
    from mlimage.verify.outside import known_outside

    cache = default_cache(environ)
    store = Store(cache.store)
    labels = need_word(image, arguments[0], store)
    wishes = Wishes(
        arguments=arguments,
        env=conditions.env,
        memory=conditions.memory,
        cpus=conditions.cpus,
        gpus=conditions.gpus,
    )
    own = User(geteuid(), getegid())
    request = prepare(image, read_contract(image, store), wishes, own=own, environ=environ)
    choice = choose(conditions.runtime, environ)
    screen.progress.detail(choice.why)
    answer = ask(
        request,
        choice,
        store=store,
        cache=cache,
        progress=screen.progress,
        say=screen.progress.detail,
        seconds=conditions.timeout,
    )
    said = answer.said
    inner = said.get("fingerprint", said)
    known = known_outside(inner, image, labels, emulated=answer.emulated)
    if known["cpu"]["emulated"]:
        screen.warn("its CPU is emulated, which may be silently wrong: what comes out certifies nothing")
    whole = {**said, "fingerprint": known} if "fingerprint" in said else known
    return Asked(said=whole, well=answer.status == 0)
