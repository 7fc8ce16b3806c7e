"""What a person types to name an image of the store."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Final

from mlimage.digest import Digest
from mlimage.errors import BuildError, UsageError
from mlimage.oci.archive import KINDS
from mlimage.oci.model import MANIFEST, Descriptor, SealedImage
from mlimage.oci.store import Store
from mlimage.platforms import LINUX_AMD64, Platform
from mlimage.spec.tags import ImageTag, RoleName

DEFAULT_VARIANT: Final = "cpu"
SHORTEST: Final = 6
"""Digits of a digest from which it is looked for."""
_HEX: Final = frozenset("0123456789abcdef")


def with_variant(reference: str, variant: str | None) -> str:
    """A reference with the variant that a person named beside it; raises `UsageError` where both say one."""
    if variant is None:
        return reference
    kind, colon, _ = reference.partition(":")
    if colon and kind in KINDS:
        raise UsageError(
            f"`--variant` is for images of the store, and `{reference}` is none",
            hint="leave it out; of several images there, `:NAME` or `@DIGEST` behind the place names one",
        )
    if colon:
        raise UsageError(
            f"`{reference}` says which image, and `--variant {variant}` too", hint="leave one of them out"
        )
    return f"{reference}:{variant}"


def resolve(
    store: Store, reference: str, *, role: RoleName | None = None, platform: Platform | None = None
) -> SealedImage:
    """The image that a reference means.

    Args:
        store: where it is looked for.
        reference: `NAME:TAG`; `NAME` or `NAME:VARIANT`, of which role and platform decide the rest; or a
            digest or image id: whole, or its first digits (6 at least) that only one image has, with or
            without `sha256:`. The variant of a `NAME` is `cpu`, or that of its only image.
        role: what it is wanted for.
        platform: that of the machine, whose image is taken before that for `linux/amd64`.

    Raises:
        UsageError: it means no image, or several.
        BuildError: the image is damaged.
    """
    tags = store.tags()
    if reference in tags:
        return store.load(tags[reference], name=reference)
    name, _, variant = reference.partition(":")
    for tag in wanted_tags(variant or DEFAULT_VARIANT, role, platform):
        full = f"{name}:{tag}"
        if full in tags:
            return store.load(tags[full], name=full)
    images = [each for each in tags if not variant and each.partition(":")[0] == name]
    if len(images) == 1:
        return store.load(tags[images[0]], name=images[0])
    if images:
        raise UsageError(f"`{reference}` has several images", hint="say which: " + _quoted(images))
    digits = reference.removeprefix("sha256:").lower()
    if len(digits) >= SHORTEST and set(digits) <= _HEX:
        found = {image.digest: image for image in _with_digits(store, digits)}
        if len(found) == 1:
            return next(iter(found.values()))
        if found:
            raise UsageError(
                f"`{reference}` is the beginning of several digests",
                hint="say more digits of one: " + _quoted(found),
            )
    raise UsageError(f"no image `{reference}` in the store", hint=_hint(tags, reference, digits))


def wanted_tags(variant: str, role: RoleName | None, platform: Platform | None) -> Iterator[ImageTag]:
    """Tags that would do for a variant, the best first."""
    for where in dict.fromkeys((platform or LINUX_AMD64, LINUX_AMD64)):
        for what in dict.fromkeys((role, None)):
            yield ImageTag(variant=variant, role=what, platform=where)


def _with_digits(store: Store, digits: str) -> Iterator[SealedImage]:
    builds = store.builds()
    for build in builds:
        try:
            image = store.load(build.manifest, name=build.name)
        except BuildError:
            if build.manifest.digest.hex.startswith(digits):
                raise
            continue  # another image is damaged, which is not what was asked
        if image.digest.hex.startswith(digits) or image.image_id.hex.startswith(digits):
            yield image
    if len(digits) == 64:
        unlisted = Digest.from_hex(digits)
        if store.has(unlisted) and unlisted not in {build.manifest.digest for build in builds}:
            size = store.blob(unlisted).stat().st_size
            try:
                yield store.load(Descriptor(media_type=MANIFEST, digest=unlisted, size=size))
            except BuildError:
                return  # a blob that is no manifest is no image


def _hint(tags: Iterable[str], reference: str, digits: str) -> str:
    if not reference or reference.startswith("sha256:") or (len(digits) >= SHORTEST and set(digits) <= _HEX):
        return "`mlimage inspect` lists the images that are there"
    name, _, variant = reference.partition(":")
    build = f"`mlimage build {name}" + (f" --variant {variant}`" if variant else "`")
    near = _near(tags, name, variant)
    return f"did you mean `{near}`? else build it: {build}" if near else f"build it: {build}"


def _near(tags: Iterable[str], name: str, variant: str) -> str | None:
    """What the person may have mistyped; a variant that is not there is seldom another one's."""
    by_name: dict[str, list[str]] = {}
    for tag in tags:
        by_name.setdefault(tag.partition(":")[0], []).append(tag.partition(":")[2])
    if variant and name in by_name:
        return next((f"{name}:{each}" for each in get_close_matches(variant, by_name[name], n=1)), None)
    return next(iter(get_close_matches(name, sorted(by_name), n=1)), None)


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
