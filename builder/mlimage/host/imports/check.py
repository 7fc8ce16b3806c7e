"""Import in an image what its spec depends on: without a network, in the environment of its programs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from mlimage.atomic import note
from mlimage.cache import Cache
from mlimage.digest import Digest, canonical_json
from mlimage.engines.build import Built
from mlimage.errors import BuildError, RunError
from mlimage.host import imports
from mlimage.lock.check import requirements_of
from mlimage.lock.model import Lock
from mlimage.lock.roles import packages_of
from mlimage.lock.target import markers_of
from mlimage.oci.store import Store
from mlimage.plan.model import AppLayer, BuildPlan, GoldenLayer, RecipeLayer
from mlimage.platforms import native_platform
from mlimage.progress import Progress
from mlimage.spec.load import LoadedSpec
from mlimage.spec.requirements import SpecRequirement
from mlimage.spec.tags import ROLES

if TYPE_CHECKING:
    from mlimage.daemon.connect import Daemon
    from mlimage.host.choose import Choice
    from mlimage.host.imports.explain import Trouble


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What the check of an image gave.

    Attributes:
        packages: how many dependencies were asked about.
        fresh: whether they were imported now, and not at an earlier build of the same layers.
        unchecked: why nothing was imported; None where it was.
        troubles: dependencies that cannot be imported.
        without_driver: those that want a library of NVIDIA's driver, each with the library.
    """

    packages: int = 0
    fresh: bool = False
    unchecked: str | None = None
    troubles: "tuple[Trouble, ...]" = ()
    without_driver: Mapping[str, str] = field(default_factory=dict)


def direct_dependencies(loaded: LoadedSpec, lock: Lock, plan: BuildPlan) -> Mapping[str, SpecRequirement]:
    """What the spec itself asks for of an image, by normalized name, but for what `check.ignore` names."""
    own = {package.name for package in packages_of(lock, plan.role)}
    others = {f"{role}.dependencies" for role in ROLES if plan.role not in (None, role)}
    ignored = {canonicalize_name(each.package) for each in loaded.spec.check.ignore}
    markers = markers_of(lock.base)
    found: dict[str, SpecRequirement] = {}
    for item in requirements_of(loaded, lock.variant):
        requirement = Requirement(item.text)
        name = canonicalize_name(requirement.name)
        applies = requirement.marker is None or requirement.marker.evaluate(dict(markers))
        if applies and name in own - ignored and item.place not in others:
            found.setdefault(name, item)
    return found


def check_imports(
    built: Built,
    plan: BuildPlan,
    wanted: Mapping[str, SpecRequirement],
    lock: Lock,
    *,
    place: "Callable[[], Choice]",
    store: Store,
    cache: Cache,
    progress: Progress,
) -> Checked:
    """Import each of the packages, unless that went well before with the same layers below the application.

    Nothing of the application is imported, so that a change of it asks for no new check.

    Args:
        built: the image.
        plan: of the image.
        wanted: the packages, by name.
        lock: of the image.
        place: where it runs; raises `RunError` where it cannot.
        store: has the image.
        cache: where it is noted what went well.
        progress: where it is shown.

    Raises:
        BuildError: the image's python does not even run the check.
    """
    if not wanted:
        return Checked()
    programs = _programs()
    known = cache.layers / f"{_key(built, plan, wanted, programs).hex}.imports"
    if known.is_file():
        return Checked(packages=len(wanted))
    if not built.whole:
        return Checked(packages=len(wanted), unchecked="some of its layers stayed in the registry")

    from mlimage.host.imports.explain import Asked, explain, lacks_driver_only
    from mlimage.host.imports.run import survey

    try:
        choice = place()
        there = choice.daemon.facts.platform if choice.daemon else native_platform()
        if built.image.platform != there:
            return Checked(
                packages=len(wanted), unchecked=f"it is for {built.image.platform}, and this is {there}"
            )
        found = survey(
            built.image,
            tuple(wanted),
            choice,
            programs=programs,
            store=store,
            cache=cache,
            progress=progress,
        )
    except RunError as error:
        return Checked(packages=len(wanted), unchecked=error.message)
    asked = Asked(
        requirements=wanted,
        locked={package.name: str(package.version) for package in lock.packages},
        found=found,
    )
    drivers = {failure.package: lacks_driver_only(failure) for failure in found.failures}
    checked = Checked(
        packages=len(wanted),
        fresh=True,
        troubles=tuple(explain(failure, asked) for failure in found.failures if not drivers[failure.package]),
        without_driver={package: missing[0] for package, missing in drivers.items() if missing},
    )
    if not checked.troubles:
        note(known, b"")
    return checked


def where(environ: Mapping[str, str], loaded: "Daemon | None", *, may_load: bool) -> "Choice":
    """Where an image is checked: where `mlimage run` runs it, which then finds it there.

    Args:
        environ: says where Docker is.
        loaded: the engine that got the image, None where none did.
        may_load: whether the image may be brought into Docker for this.

    Raises:
        RunError: there is no way.
    """
    from mlimage.host.choose import Choice, choose

    if loaded is not None:
        return Choice(daemon=loaded, why="docker: the image is there")
    return choose("auto" if may_load else "sandbox", environ)


def refuse(failed: Sequence[tuple[str, Checked]]) -> None:
    """End the build of images of which dependencies cannot be imported.

    Raises:
        BuildError: names them.
    """
    if not failed:
        return
    parts = []
    for name, checked in failed:
        parts.append(f"{_how_many(checked)} of `{name}` cannot be imported:")
        parts += [line for trouble in checked.troubles for line in _shown(trouble)]
    image = failed[0][0].partition(":")[0]
    troubles = [trouble for _, checked in failed for trouble in checked.troubles]
    package = next((each for each in troubles if each.hint is None), troubles[0]).package
    raise BuildError(
        "\n".join(parts),
        hint=f"after a change, `mlimage lock {image}` and build again; the image is built, and can be run. "
        "What needs hardware or a display: write into its mlimage.yaml "
        f"`check: {{ignore: [{{package: {package}, reason: WHY}}]}}`, or `--no-check` for once",
    )


def _how_many(checked: Checked) -> str:
    count = len({trouble.package for trouble in checked.troubles})
    if checked.packages == 1:
        return "the dependency"
    return (
        f"{count} of the {checked.packages} dependencies" if count < checked.packages else "the dependencies"
    )


def _shown(trouble: "Trouble") -> list[str]:
    what = f"import {trouble.module}" if trouble.module else trouble.package
    lines = [f"  {trouble.where}: `{what}`: {trouble.error}", *(f"    {line}" for line in trouble.lines)]
    return [*lines, f"    hint: {trouble.hint}"] if trouble.hint else lines


def _key(
    built: Built, plan: BuildPlan, wanted: Mapping[str, SpecRequirement], programs: tuple[str, str]
) -> Digest:
    """Everything that decides the result: layers below the application, environment, the check itself."""
    below = [
        layer.blob.diff_id
        for layer in built.layers
        if not isinstance(layer.layer, AppLayer | GoldenLayer | RecipeLayer)
    ]
    said = {
        "layers": below,
        "env": plan.config.env,
        "user": plan.config.user,
        "packages": sorted(wanted),
        "program": [Digest.of(text.encode()) for text in programs],
    }
    return Digest.of(canonical_json(said))


def _programs() -> tuple[str, str]:
    """The texts of what runs in the image."""
    folder = files(imports) / "inside"
    return (folder / "survey.py").read_text("utf-8"), (folder / "attempt.py").read_text("utf-8")
