"""Which image of the store is the one of a project as it stands: made of this spec, lock and application.

An image says what it was made of. Its layers `recipe`, which has spec and lock, and `app` are to the byte
those that a build would make now, and a label names its golden record. So neither a name nor a path finds an
image: projects may have images of one name, worktrees and moved projects share theirs, and a pulled one is as
good as one that was built here.
"""

from dataclasses import dataclass
from pathlib import Path

from mlimage.cache import Cache
from mlimage.content.entry import arrange, file_of_bytes
from mlimage.digest import Digest
from mlimage.engines.appdigest import app_digest, tar_digest
from mlimage.engines.changed import changes
from mlimage.errors import BuildError
from mlimage.lock.check import check
from mlimage.lock.model import Lock
from mlimage.oci.builds import Build
from mlimage.oci.model import SealedImage
from mlimage.oci.store import Store
from mlimage.plan.decide import plan as decide
from mlimage.plan.golden import LABEL
from mlimage.plan.model import AppLayer, BuildPlan, GoldenLayer, RecipeLayer
from mlimage.spec.load import LoadedSpec
from mlimage.spec.model import ImageSpec
from mlimage.spec.project import Project
from mlimage.spec.tags import ImageTag, image_tags


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An image as its project has it now.

    Attributes:
        plan: what a build would do.
        folder: the image's folder in the project.
        project: the project's folder.
        recipe: diff_id of the layer with spec and lock.
        app: diff_id of the application's layer.
        golden: digest of the golden record; None where there is none.
        command: what builds this image and no other: they may be large.
    """

    plan: BuildPlan
    folder: Path
    project: Path
    recipe: Digest
    app: Digest
    golden: Digest | None
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotBuilt:
    """Why there is no image of a project as it stands.

    Attributes:
        message: what is there instead.
        hint: what to type.
        before: the first digits of the id of the image that was built before; None where there is none.
    """

    message: str
    hint: str
    before: str | None = None


def standing(loaded: LoadedSpec, tag: ImageTag, lock: Lock, *, project: Project, cache: Cache) -> Standing:
    """What tells an image of a project from all others.

    Args:
        loaded: its spec.
        tag: which of the spec's images it is.
        lock: its lock.
        project: where all of it is.
        cache: where the digests of large applications are kept.

    Raises:
        LockError: the lock is stale.
        BuildError: a build would be refused, too.
    """
    check(loaded, lock)
    plan = decide(loaded, lock, tag.role)
    folder = project.image_folder(plan.image)
    [recipe] = [layer for layer in plan.layers if isinstance(layer, RecipeLayer)]
    [app] = [layer for layer in plan.layers if isinstance(layer, AppLayer)]
    golden = [layer.digest for layer in plan.layers if isinstance(layer, GoldenLayer)]
    files = [file_of_bytes(path, content, origin=recipe.name) for path, content in recipe.files]
    return Standing(
        plan=plan,
        folder=folder,
        project=project.root,
        recipe=tar_digest(arrange(files)),
        app=app_digest(app, plan, folder, cache),
        golden=golden[0] if golden else None,
        command=_command(loaded.spec, tag),
    )


def find_built(wanted: Standing, store: Store, *, golden: bool = True) -> SealedImage | None:
    """The image of that name which was made of this; None where the store has none.

    Of several, with other runtimes for instance, it is the one that the project had last. An image of another
    name does not count: whoever pulls one does not expect it to run in place of this.

    Args:
        wanted: the image as it stands.
        store: where it is looked for.
        golden: whether the golden record counts.

    Raises:
        BuildError: the project's own image is damaged, and no other will do.
    """
    name, project = wanted.plan.name, str(wanted.project)
    damaged: BuildError | None = None
    same = [build for build in store.builds() if build.name == name]
    for build in sorted(same, key=lambda each: -each.projects.get(project, 0)):
        try:
            image = store.load(build.manifest, name=name)
            if _is_made_of(image, wanted, store, golden=golden):
                return image
        except BuildError as error:
            if damaged is None and (project in build.projects or not build.owners):
                damaged = error
    if damaged:
        raise damaged
    return None


def why_not_built(wanted: Standing, store: Store, *, golden: bool = True) -> NotBuilt:
    """What is there in place of an image that is not; raises as `find_built` does.

    It reads the application, and the layers with spec, lock and application of what was built before.
    """
    plan, name = wanted.plan, wanted.plan.name
    build = f"`{wanted.command}` builds it"
    before, of_others = _before(store.builds(), name, str(wanted.project))
    if before is None:
        where = f": the one in the store is that of `{of_others.owners[0]}`" if of_others else ""
        return NotBuilt(message=f"`{name}` is not built yet{where}", hint=build)
    image = store.load(before.manifest, name=name)
    lines = [*changes(image, store, plan, wanted.folder)]
    frozen = store.configuration(image).labels.get(LABEL)
    if golden and frozen != wanted.golden:
        lines.append(
            f"golden record: {'changed' if frozen and wanted.golden else 'removed' if frozen else 'added'}"
        )
    if not lines:
        lines.append("mlimage: its version makes other layers of the same files")
    short = image.image_id.short
    return NotBuilt(
        message=f"`{name}` is not built as it stands here; since {short} was built:"
        + "".join(f"\n  {line}" for line in lines),
        hint=build,
        before=short,
    )


def _command(spec: ImageSpec, tag: ImageTag) -> str:
    options = [
        f" --{option} {getattr(tag, option)}"
        for option in ("variant", "role", "platform")
        if len({getattr(each, option) for each in image_tags(spec)}) > 1
    ]
    return f"mlimage build {spec.name}" + "".join(options)


def _is_made_of(image: SealedImage, wanted: Standing, store: Store, *, golden: bool) -> bool:
    made = {layer.name: layer.diff_id for layer in image.layers}
    own = {layer.name: layer for layer in wanted.plan.layers}
    layers = {RecipeLayer: wanted.recipe, AppLayer: wanted.app}
    if any(made.get(name) != layers[type(each)] for name, each in own.items() if type(each) in layers):
        return False
    return not golden or store.configuration(image).labels.get(LABEL) == wanted.golden


def _before(builds: tuple[Build, ...], name: str, project: str) -> tuple[Build | None, Build | None]:
    """(the last one of this project, or of nobody; one of another project, if that is all there is)."""
    same = [build for build in builds if build.name == name]
    own = sorted(
        (build for build in same if project in build.projects), key=lambda build: -build.projects[project]
    )
    nobodys = [build for build in same if not build.owners]
    before = next(iter([*own, *nobodys]), None)
    return before, next(iter(same), None) if before is None else None
