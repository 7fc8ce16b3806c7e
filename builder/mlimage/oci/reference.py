"""What a person types to name an image of the store."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Final

from mlimage.digest import Digest
from mlimage.errors import BuildError, UsageError
from mlimage.oci.model import MANIFEST, Descriptor, SealedImage
from mlimage.oci.store import Store

DEFAULT_VARIANT: Final = "cpu"
SHORTEST: Final = 6
"""Digits of a digest from which it is looked for."""
_HEX: Final = frozenset("0123456789abcdef")


def resolve(store: Store, reference: str) -> SealedImage:
    """The image that a reference means.

    Args:
        store: where it is looked for.
        reference: `NAME` (its `cpu` variant, or the only one), `NAME:VARIANT`, or a digest or image id:
            whole, or its first digits (6 at least) that only one image has, with or without `sha256:`.

    Raises:
        UsageError: it means no image, or several.
        BuildError: the image is damaged.
    """
    tags = store.tags()
    if reference in tags:
        return store.load(tags[reference], name=reference)
    variants = [name for name in tags if name.partition(":")[0] == reference]
    if variants:
        preferred = f"{reference}:{DEFAULT_VARIANT}"
        if preferred in variants or len(variants) == 1:
            name = preferred if preferred in variants else variants[0]
            return store.load(tags[name], name=name)
        raise UsageError(f"`{reference}` has several variants", hint="say which: " + _quoted(variants))
    digits = reference.removeprefix("sha256:").lower()
    if len(digits) >= SHORTEST and set(digits) <= _HEX:
        found = {image.digest: image for image in _with_digits(store, tags, digits)}
        if len(found) == 1:
            return next(iter(found.values()))
        if found:
            raise UsageError(
                f"`{reference}` is the beginning of several digests",
                hint="say more digits of one: " + _quoted(found),
            )
    raise UsageError(f"no image `{reference}` in the store", hint=_hint(tags, reference, digits))


def _with_digits(store: Store, tags: dict[str, Descriptor], digits: str) -> Iterator[SealedImage]:
    for name, manifest in tags.items():
        try:
            image = store.load(manifest, name=name)
        except BuildError:
            if manifest.digest.hex.startswith(digits):
                raise
            continue  # another image is damaged, which is not what was asked
        if image.digest.hex.startswith(digits) or image.image_id.hex.startswith(digits):
            yield image
    if len(digits) == 64:
        untagged = Digest.from_hex(digits)
        if store.has(untagged) and untagged not in {manifest.digest for manifest in tags.values()}:
            size = store.blob(untagged).stat().st_size
            try:
                yield store.load(Descriptor(media_type=MANIFEST, digest=untagged, size=size))
            except BuildError:
                return  # a blob that is no manifest is no image


def _hint(tags: Iterable[str], reference: str, digits: str) -> str:
    names = sorted({*tags, *(name.partition(":")[0] for name in tags)})
    near = get_close_matches(reference, names, n=1)
    if near:
        return f"did you mean `{near[0]}`?"
    if not reference or reference.startswith("sha256:") or (len(digits) >= SHORTEST and set(digits) <= _HEX):
        return "`mlimage inspect` lists the images that are there"
    name, _, variant = reference.partition(":")
    return f"build it: `mlimage build {name}" + (f" --variant {variant}`" if variant else "`")


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
