"""Which images of the store are what a spec and its locks ask for now, and so may be pushed."""

import hashlib
from collections.abc import Sequence

from mlimage.content.entry import arrange, file_of_bytes
from mlimage.digest import Digest
from mlimage.errors import BuildError
from mlimage.lock.model import Lock
from mlimage.oci.model import SealedImage
from mlimage.oci.store import Store
from mlimage.oci.tar import tar_chunks
from mlimage.plan.config import spec_digest
from mlimage.plan.recipe import NAME as RECIPE
from mlimage.plan.recipe import recipe_files
from mlimage.release.index import DRIVER, Member
from mlimage.spec.load import LoadedSpec
from mlimage.spec.tags import ImageTag
from mlimage.spec.variants import accelerator_of


def members_of(
    loaded: LoadedSpec, locks: Sequence[tuple[ImageTag, Lock]], store: Store
) -> tuple[Member, ...]:
    """The built images of a spec.

    Args:
        loaded: the spec.
        locks: tags of the images, each with its lock.
        store: where they were built.

    Raises:
        BuildError: one was not built, or of another lock or spec.
    """
    tags = store.tags()
    found = []
    for tag, lock in locks:
        name = f"{loaded.spec.name}:{tag}"
        if name not in tags:
            raise BuildError(f"`{name}` is not built yet", hint=_build(loaded, tag))
        image = store.load(tags[name], name=name)
        labels = store.configuration(image).labels
        wanted = {"lock": lock.digest, "spec": spec_digest(loaded.spec, tag.variant)}
        stale = [what for what, digest in wanted.items() if labels.get(f"dev.mlimage.{what}") != digest]
        if not stale and not _has_recipe(image, loaded, lock):
            stale = ["lock"]  # in what its digest leaves out, as sizes and licences
        if stale:
            raise BuildError(
                f"`{name}` was built of another {' and another '.join(stale)}", hint=_build(loaded, tag)
            )
        found.append(
            Member(
                image=image,
                tag=tag,
                accelerator=accelerator_of(loaded.spec, tag.variant),
                driver=labels.get(DRIVER),
            )
        )
    return tuple(found)


def _has_recipe(image: SealedImage, loaded: LoadedSpec, lock: Lock) -> bool:
    """Whether the layer with spec and lock is the one that a build would make now, to the byte."""
    entries = [file_of_bytes(path, content, origin=RECIPE) for path, content in recipe_files(loaded, lock)]
    tar = hashlib.sha256()
    for chunk in tar_chunks(arrange(entries)):
        tar.update(chunk)
    expected = Digest.from_hex(tar.hexdigest())
    return any(layer.name == RECIPE and layer.diff_id == expected for layer in image.layers)


def _build(loaded: LoadedSpec, tag: ImageTag) -> str:
    several = len(loaded.spec.variants) > 1
    return f"`mlimage build {loaded.spec.name}{f' --variant {tag.variant}' if several else ''}` builds it"
