"""The links of an application's folder: each must lead to something when the image runs."""

import os
import shlex
import stat
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlimage.content.ignore import Ignore
from mlimage.content.links import DATA, follow, is_mounted
from mlimage.errors import BuildError


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """The folder of an application, and what of it goes where.

    Attributes:
        folder: where it is on this machine.
        rules: what stays out.
        destination: where it goes in the image.
        data: names of the data that a run may find mounted.
        links: paths of the image at which a link is laid in place of what the folder has, with their targets.
    """

    folder: Path
    rules: Ignore
    destination: str
    data: Collection[str]
    links: Mapping[str, str]


def checked_target(app: App, path: str) -> str:
    """The target of the link at a path of the folder, as the image has it.

    It leads to a file or folder of the application, to what a run mounts, or to another path of the image,
    of which only its layers tell (`engines.links`). Nothing outside of the folder is looked at.

    Raises:
        BuildError: what it leads to is not there, stays out of the image, or lies on this machine only.
    """
    target = str((app.folder / path).readlink())
    way = _Way(app)
    try:
        end = follow(f"{app.destination}/{path}", way.target_of)
    except OSError as error:
        raise BuildError(f"the app's link `{path}` leads to `{target}`, which does not exist") from error
    inside = way.inside(end)
    ignored = next((each for each in (*way.passed, *([inside] if inside else [])) if way.ignores(each)), None)
    if ignored is not None:
        raise BuildError(f"the app's link `{path}` leads to `{ignored}`, which is ignored")
    if inside is None:
        _check_outside(app, path, target, end, absolute=way.absolute)
    return unicodedata.normalize("NFC", Path(target).as_posix())


class _Way:
    """What is passed on the way from a link to its end.

    Attributes:
        passed: the links of the folder, by their paths in it.
        absolute: whether one of them begins at the image's root.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self.passed: list[str] = []
        self.absolute = False

    def target_of(self, place: str) -> str | None:
        """The target of the link at a path of the image; raises `OSError` where the folder has nothing."""
        laid = self._app.links.get(unicodedata.normalize("NFC", place))
        if laid is not None:
            self.absolute = True
            return laid
        inside = self.inside(place)
        if not inside or not stat.S_ISLNK((self._app.folder / inside).lstat().st_mode):
            return None
        self.passed.append(inside)
        target = str((self._app.folder / inside).readlink())
        self.absolute = self.absolute or target.startswith("/")
        return target

    def inside(self, place: str) -> str | None:
        """A path of the image as one of the folder, where it is in it."""
        if place == self._app.destination:
            return ""
        beside = f"{self._app.destination}/"
        return place.removeprefix(beside) if place.startswith(beside) else None

    def ignores(self, path: str) -> bool:
        return self._app.rules.ignores(unicodedata.normalize("NFC", path))


def _check_outside(app: App, path: str, target: str, end: str, *, absolute: bool) -> None:
    """A link that leads out of the application must do so by a path of the image."""
    hint = "copy the file into the app, or add the link to `app.ignore`"
    own = (Path(os.path.abspath(app.folder)), app.folder.resolve())  # noqa: PTH100 - and as the user calls it
    here = next((root for root in own if Path("/", end).is_relative_to(root)), None)
    if here is not None:
        link = here / path
        words = shlex.join((os.path.relpath(f"/{end}", link.parent), str(link)))
        hint = f"let it lead there from its own folder: `ln -sfn {words}`"
    if here is not None or not absolute:
        raise BuildError(f"the app's link `{path}` leads out of the app, to `{target}`", hint=hint)
    if end.startswith(f"{DATA}/") and not is_mounted(end, app.data):
        name = end.split("/")[1]
        raise BuildError(
            f"the app's link `{path}` leads to `{target}`, and the image reads no data `{name}`",
            hint="name it under `data:` in mlimage.yaml, or add the link to `app.ignore`",
        )
