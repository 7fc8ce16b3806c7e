"""A project on the disk: a folder with `images/`, and the names of what lies where in it."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mlimage.errors import UsageError
from mlimage.platforms import Platform
from mlimage.spec.tags import ImageTag, RoleName, image_tags

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mlimage.spec.load import LoadedSpec
    from mlimage.spec.model import ImageSpec

_FILE: Final = "mlimage.yaml"
_FOLDER_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")


@dataclass(frozen=True, slots=True)
class Project:
    """A folder with `images/NAME/mlimage.yaml` and `lockfiles/NAME/`."""

    root: Path

    def names(self) -> tuple[str, ...]:
        """The names of all images, sorted."""
        return tuple(sorted(file.parent.name for file in (self.root / "images").glob(f"*/{_FILE}")))

    def image_folder(self, name: str) -> Path:
        """Where the image's spec and app are; raises `UsageError` for what cannot be a folder's name."""
        return self.root / "images" / self._checked(name)

    def spec_file(self, name: str) -> Path:
        """The image's `mlimage.yaml`."""
        return self.image_folder(name) / _FILE

    def lock_folder(self, name: str) -> Path:
        """Where the image's lock files are, or will be."""
        return self.root / "lockfiles" / self._checked(name)

    def golden_folder(self, name: str) -> Path:
        """Where the image's golden record is, or will be."""
        return self.lock_folder(name) / "golden"

    def load(self, name: str) -> "LoadedSpec":
        """Read an image's spec and the files that it names.

        Raises:
            UsageError: there is no such image.
            SpecError: something is wrong with the spec.
        """
        if not self.spec_file(name).is_file():
            raise self._no_such_image(name)
        from mlimage.spec.frozen import read_manifest
        from mlimage.spec.load import load_spec

        loaded = load_spec(self.image_folder(name), shown=f"images/{name}")
        if loaded.spec.golden is None:
            return loaded
        return replace(loaded, manifest=read_manifest(self.lock_folder(name)))

    def select(
        self,
        names: Iterable[str],
        *,
        variant: str | None = None,
        platform: Platform | None = None,
        role: RoleName | None = None,
        tags: "Callable[[ImageSpec], Sequence[ImageTag]]" = image_tags,
    ) -> list[tuple["LoadedSpec", ImageTag]]:
        """The specs of these images, or of all when none is named, each with each of its tags.

        Args:
            names: of images; one that stands twice counts once.
            variant: only this one; None for all.
            platform: only this one; None for all.
            role: only this one, of images that are for one role; None for all.
            tags: those of a spec: of its images, or of its locks.

        Raises:
            UsageError: there is no such image, variant, platform or role, or none at all.
            SpecError: something is wrong with a spec.
        """
        wanted = tuple(dict.fromkeys(names)) or self.names()
        if not wanted:
            raise UsageError(f"no images in `{self.root}`", hint="`mlimage init NAME` makes one")
        loaded = [self.load(name) for name in wanted]
        chosen = [(one, tag) for one in loaded for tag in tags(one.spec)]
        wishes = (
            ("has a variant", "variant", variant),
            ("is for the platform", "platform", platform),
            ("is for the role", "role", role),
        )
        for what, attribute, wish in wishes:
            if wish is not None:
                chosen = _only(chosen, what, attribute, wish)
        return chosen

    def _checked(self, name: str) -> str:
        if not _FOLDER_NAME.match(name):
            raise self._no_such_image(name)
        return name

    def _no_such_image(self, name: str) -> UsageError:
        from difflib import get_close_matches

        file = self.root / "images" / name / _FILE
        if _FOLDER_NAME.match(name) and (file.exists() or file.is_symlink()):
            return UsageError(
                f"`images/{name}/{_FILE}` is no file",
                hint="it is a folder, a named pipe or a device, or a link that leads to no file",
            )
        names = self.names()
        near = get_close_matches(name.lower().rstrip("/").rpartition("/")[2], names, n=1)
        if near:
            hint = f"did you mean `{near[0]}`?"
        elif names:
            hint = "images here: " + ", ".join(f"`{one}`" for one in names)
        else:
            hint = f"`mlimage init {name if _FOLDER_NAME.match(name) else 'NAME'}` makes one"
        folder = self.root / "images" / name
        if _FOLDER_NAME.match(name) and folder.is_dir():
            return UsageError(f"`images/{name}` has no `{_FILE}`", hint=hint)
        return UsageError(f"no image `{name}` in `{self.root}`", hint=hint)


def _only(
    chosen: "Sequence[tuple[LoadedSpec, ImageTag]]", what: str, attribute: str, wish: object
) -> list[tuple["LoadedSpec", ImageTag]]:
    found = [(one, tag) for one, tag in chosen if getattr(tag, attribute) == wish]
    if not found:
        values = {getattr(tag, attribute) for _, tag in chosen} - {None}
        known = ", ".join(f"`{value}`" for value in sorted(map(str, values)))
        raise UsageError(
            f"no image {what} `{wish}`",
            hint=f"there are: {known}" if known else "`split: true` gives each role an image of its own",
        )
    return found


def find_project(start: Path) -> Project:
    """The project that a folder is in: the nearest folder, upwards, with `images/` and specs or `lockfiles/`.

    A folder `images/` with neither is somebody's pictures.

    Raises:
        UsageError: there is none.
    """
    start = Path(os.path.realpath(start))  # what is above `a/../b` is not `a`, and a project has one name
    if not start.is_dir():
        raise UsageError(f"there is no folder `{start}`", hint="name the folder of a project behind `-C`")
    for folder in (start, *start.parents):
        images = folder / "images"
        try:
            if images.is_dir() and ((folder / "lockfiles").is_dir() or any(images.glob(f"*/{_FILE}"))):
                return Project(folder)
        except OSError:
            continue
    raise UsageError(
        f"no project here: neither `{start}` nor a folder above it has `images/NAME/{_FILE}`",
        hint="`mlimage init NAME` makes one here",
    )
