"""What the verbs share that take the name of an image: in a project it means the image that stands there."""

import errno
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mlimage.cache import Cache
    from mlimage.engines.standing import NotBuilt, Standing
    from mlimage.errors import UsageError
    from mlimage.oci.model import SealedImage
    from mlimage.oci.store import Store
    from mlimage.platforms import Platform
    from mlimage.spec.load import LoadedSpec
    from mlimage.spec.project import Project
    from mlimage.spec.tags import ImageTag, RoleName

_READ_ONLY: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


def image_here(
    text: str,
    cache: "Cache",
    store: "Store",
    *,
    project: Path = Path(),
    role: "RoleName | None" = None,
    platform: "Platform | None" = None,
    golden: bool = True,
    by_id: bool = True,
) -> "SealedImage":
    """The image of the store that is meant.

    The name of an image of the project means the one that was made of its spec, lock and application as they
    stand; any other text means what `oci.reference.resolve` says.

    Args:
        text: `NAME`, `NAME:TAG` or digits of a digest.
        cache: where the digests of large applications are kept.
        store: where it is looked for.
        project: where looking for the project begins.
        role: what it is wanted for.
        platform: that of the machine.
        golden: whether the golden record has to be the one that stands here, too.
        by_id: whether the verb takes an image id as well.

    Raises:
        UsageError: there is none, or several; the message says what was built in its place.
        LockError: the lock is missing or stale.
        BuildError: the image is damaged, or could not be built.
    """
    from mlimage.errors import UsageError
    from mlimage.oci.reference import DEFAULT_VARIANT, resolve, wanted_tags

    name, _, variant = text.partition(":")
    here = _Here.of(name, project, cache, store, golden=golden)
    if here is None:
        return resolve(store, text, role=role, platform=platform)
    exact = [tag for tag in here.tags if str(tag) == variant]
    wanted = exact or [
        tag for tag in wanted_tags(variant or DEFAULT_VARIANT, role, platform) if tag in here.tags
    ]
    if variant and not wanted:
        raise UsageError(f"`{name}` has no image `{variant}`", hint=here.said(here.tags))
    reasons = []
    for tag in wanted:
        if image := here.built(tag):
            return image
        reasons.append(here.why_not(tag))
        if reasons[-1].before:  # none that is less wanted takes its place
            raise _refusal(reasons[-1], by_id=by_id)
    if variant:
        raise _refusal(reasons[0], by_id=by_id)
    # The default variant was never built, or there is none: the only one that was built is meant.
    others = [tag for tag in here.tags if tag not in wanted]
    built = [(tag, image) for tag in others if here.has_lock(tag) and (image := here.built(tag))]
    if len(built) == 1:
        return built[0][1]
    if built or (not wanted and len(here.tags) > 1):
        raise UsageError(
            f"`{name}` has several images", hint=here.said([tag for tag, _ in built] or here.tags)
        )
    raise _refusal(reasons[0] if reasons else here.why_not(here.tags[0]), by_id=by_id)


def _refusal(reason: "NotBuilt", *, by_id: bool) -> "UsageError":
    from mlimage.errors import UsageError

    more = f"; `{reason.before}` in place of the name is what was built before"
    return UsageError(reason.message, hint=reason.hint + (more if reason.before and by_id else ""))


def images_here(
    text: str, cache: "Cache", store: "Store", *, warn: "Callable[[str], None]"
) -> "tuple[SealedImage, ...]":
    """All images of a name: those of the project as it stands, or those of the store.

    Args:
        text: the name.
        cache: where the digests of large applications are kept.
        store: where they are.
        warn: is told which of the project's are of other files, and left out.
    """
    from mlimage.oci.sharing import variants_of

    here = _Here.of(text, Path(), cache, store, golden=True)
    if here is None:
        return variants_of(store, text)
    found = {tag: here.built(tag) for tag in here.tags if here.has_lock(tag)}
    images = tuple(image for image in found.values() if image)
    if len(images) > 1:
        for reason in (here.why_not(tag) for tag, image in found.items() if not image):
            if reason.before:
                warn(reason.message)
    return images


@dataclass(frozen=True, slots=True, kw_only=True)
class _Here:
    """The images of a name in a project, and where they are looked for."""

    project: "Project"
    loaded: "LoadedSpec"
    tags: "tuple[ImageTag, ...]"
    golden: bool
    cache: "Cache"
    store: "Store"

    @classmethod
    def of(cls, name: str, start: Path, cache: "Cache", store: "Store", *, golden: bool) -> "_Here | None":
        """None where no project is, or it has no such image."""
        from mlimage.errors import UsageError
        from mlimage.spec.project import find_project
        from mlimage.spec.tags import image_tags

        try:
            project = find_project(start)
            if not project.spec_file(name).is_file():
                return None
        except UsageError:
            return None
        loaded = project.load(name)
        if not golden:
            loaded = replace(loaded, manifest=None)
        return cls(
            project=project,
            loaded=loaded,
            tags=image_tags(loaded.spec),
            golden=golden,
            cache=cache,
            store=store,
        )

    def has_lock(self, tag: "ImageTag") -> bool:
        """Whether it was ever locked: what was not was never built."""
        from mlimage.lock.text import has_lock

        return has_lock(self.project.lock_folder(self.loaded.spec.name), tag.of_lock)

    def built(self, tag: "ImageTag") -> "SealedImage | None":
        """The image as it stands."""
        from mlimage.engines.standing import find_built

        found = find_built(self._standing(tag), self.store, golden=self.golden)
        if found is not None:
            try:
                self.store.take_up(found, self.project.root)
            except OSError as error:
                if error.errno not in _READ_ONLY:
                    raise
        return found

    def why_not(self, tag: "ImageTag") -> "NotBuilt":
        """Why it is not there."""
        from mlimage.engines.standing import why_not_built

        return why_not_built(self._standing(tag), self.store, golden=self.golden)

    def said(self, tags: "Iterable[ImageTag]") -> str:
        """How each is typed."""
        return "say which: " + ", ".join(f"`{self.loaded.spec.name}:{tag}`" for tag in tags)

    def _standing(self, tag: "ImageTag") -> "Standing":
        from mlimage.engines.standing import standing
        from mlimage.lock.text import read_lock

        lock = read_lock(self.project.lock_folder(self.loaded.spec.name), tag.of_lock)
        return standing(self.loaded, tag, lock, project=self.project, cache=self.cache)
