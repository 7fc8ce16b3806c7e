"""Makes an image once more, from what it says of how it was made, and compares."""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from mlimage.cache import Cache
from mlimage.digest import Digest
from mlimage.engines.build import build_image
from mlimage.engines.layers import Engine
from mlimage.errors import SpecError, VerificationError, reason_of
from mlimage.lock.inputs import Inputs
from mlimage.lock.text import read_lock
from mlimage.oci.model import SealedImage
from mlimage.oci.store import Store
from mlimage.oci.unpack import unpack_layers
from mlimage.plan.config import APP
from mlimage.plan.decide import plan
from mlimage.plan.golden import FOLDER as GOLDEN_FOLDER
from mlimage.plan.golden import FROZEN, LABEL, MODELS
from mlimage.plan.golden import NAME as GOLDEN
from mlimage.plan.model import BuildPlan
from mlimage.plan.recipe import FOLDER, LOCK, SPEC
from mlimage.plan.recipe import NAME as RECIPE
from mlimage.progress import Progress
from mlimage.regular import read_inside
from mlimage.spec.frozen import DIGEST, LARGEST, MANIFEST, digest_line
from mlimage.spec.load import LoadedSpec, parse_spec
from mlimage.spec.model import ImageSpec
from mlimage.spec.project import Project
from mlimage.spec.tags import ROLES, ImageTag

_APP: Final = "app"
"""Name of the application's layer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What an image was made from.

    Attributes:
        project: spec, lock and application, as a project.
        loaded: the spec.
        plan: what a build of it does.
    """

    project: Project
    loaded: LoadedSpec
    plan: BuildPlan


def read_recipe(image: SealedImage, store: Store, folder: Path) -> Recipe:
    """Take spec, lock, application and golden record out of an image.

    Args:
        image: whose layers `recipe` and `app` are in the store.
        store: has it.
        folder: an empty folder, which becomes the project.

    Raises:
        VerificationError: the image does not say how it was made.
        BuildError: a layer is damaged.
    """
    labels = _labels(image, store)
    layers = {layer.name: layer for layer in image.layers}
    name, variant = labels.get("org.opencontainers.image.title"), labels.get("dev.mlimage.variant")
    if RECIPE not in layers or _APP not in layers or not name or not variant:
        raise VerificationError(
            f"`{image.name}` does not say how it was made",
            hint="images have spec and lock in them since mlimage 0.1; build it from its project and let "
            "`mlimage diff` compare",
        )
    project = Project(folder)
    taken = folder / "layers"
    taken.mkdir()
    wanted = [layer for layer in image.layers if layer.name in {RECIPE, _APP, GOLDEN}]
    unpack_layers(wanted, store, taken, of=image.name, owners=False, verify=True)
    said = _inside(taken, FOLDER, image.name)
    spec = _spec(_read(taken, f"{FOLDER}/{SPEC}", image.name), image.name, name, variant)
    _inside(taken, f"{FOLDER}/{LOCK}", image.name).rename(_parent(project.lock_folder(name)))
    said.rename(_parent(project.image_folder(name)))
    if GOLDEN in layers:
        _inside(taken, GOLDEN_FOLDER, image.name).rename(project.golden_folder(name))
        _inside(taken, MODELS, image.name).rename(project.golden_folder(name) / FROZEN)
        _hold(project.golden_folder(name), labels.get(LABEL), image.name)
    app = _inside(taken, APP, image.name)
    place = _app_place(project.image_folder(name), spec.app.source, image.name)
    if not place.exists():
        place.mkdir(parents=True)  # a spec is refused whose application is not there
    # What was left out of the application is not in the image, and what is in it was meant to be.
    loaded = replace(project.load(name), ignore=("!**",))
    tag = ImageTag(
        variant=variant,
        role=next((role for role in ROLES if role == labels.get("dev.mlimage.role")), None),
        platform=image.platform,
    )
    lock = read_lock(project.lock_folder(name), tag.of_lock)
    planned = plan(loaded, lock, tag.role)
    # With `source: .` the spec lay there, and the application has its own.
    shutil.rmtree(place)
    app.rename(place)
    return Recipe(project=project, loaded=loaded, plan=planned)


def rebuild(
    recipe: Recipe,
    *,
    engine: Engine,
    inputs: Callable[[], Inputs],
    cache: Cache,
    progress: Progress,
) -> SealedImage:
    """Make the image of a recipe in a cache of its own, where nothing is known.

    Raises as `engines.build.build_image` does.
    """
    name = recipe.plan.image
    return build_image(
        recipe.plan,
        folder=recipe.project.image_folder(name),
        lock_folder=recipe.project.lock_folder(name),
        record=False,
        engine=engine,
        inputs=inputs,
        cache=cache,
        store=Store(cache.store),
        progress=progress,
    ).image


def _spec(content: bytes, image: str, name: str, variant: str) -> ImageSpec:
    """The spec, which says where files go: read before any goes there."""
    try:
        spec = parse_spec(content, path=SPEC, folder=name)
    except SpecError as error:
        raise _damaged(image, str(error.problems[0])) from error
    if variant not in spec.variants:
        raise _damaged(image, f"there is no variant `{variant}`")
    return spec


def _hold(folder: Path, label: str | None, image: str) -> None:
    """Hold the record by the digest that the image names, as the project did that it was built from."""
    manifest = _read(folder, MANIFEST, image)
    if Digest.of(manifest) != label:
        raise _damaged(image, f"its label `{LABEL}` is not the digest of its golden record")
    (folder / DIGEST).write_text(digest_line(manifest))


def _read(folder: Path, path: str, image: str) -> bytes:
    try:
        return read_inside(folder, path, LARGEST)
    except OSError as error:
        raise _damaged(image, f"`{path}`: {reason_of(error)}") from error


def _inside(folder: Path, path: str, image: str) -> Path:
    """A file or folder that was unpacked; what an image has links for leads elsewhere."""
    place = folder / path
    if not place.exists() or place.resolve() != folder.resolve() / path:
        raise _damaged(image, f"`{path}` is no file of it")
    return place


def _app_place(folder: Path, source: str, image: str) -> Path:
    """Where the application goes; files of a recipe may be links, too."""
    place = folder / source
    if os.path.realpath(place) != str(Path(os.path.realpath(folder), source)):
        raise _damaged(image, f"`{source}`, where its application was, leads elsewhere")
    return place


def _damaged(image: str, why: str) -> VerificationError:
    return VerificationError(
        f"what `{image}` says of how it was made is damaged: {why}",
        hint="build it from its project and let `mlimage diff` compare",
    )


def _parent(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _labels(image: SealedImage, store: Store) -> Mapping[str, str]:
    return store.configuration(image).labels
