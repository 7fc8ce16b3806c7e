"""Import in an image what its spec depends on: without a network, in the environment of its programs."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from mlimage.atomic import note
from mlimage.cache import Cache
from mlimage.daemon.connect import Daemon
from mlimage.digest import Digest, canonical_json
from mlimage.engines.build import Built
from mlimage.errors import BuildError, RunError
from mlimage.host import imports
from mlimage.host.ask import shut_in
from mlimage.host.choose import Choice, choose
from mlimage.host.contract import User, read_contract
from mlimage.host.folders import default_user
from mlimage.host.imports.explain import Asked, Trouble, explain, lacks_driver_only
from mlimage.host.imports.findings import Findings, read_findings
from mlimage.host.launch import launch
from mlimage.host.output import kept_by
from mlimage.host.request import RunRequest
from mlimage.lock.check import requirements_of
from mlimage.lock.model import Lock
from mlimage.lock.roles import packages_of
from mlimage.lock.target import markers_of
from mlimage.oci.model import SealedImage
from mlimage.oci.store import Store
from mlimage.plan.model import AppLayer, BuildPlan, GoldenLayer, RecipeLayer
from mlimage.platforms import native_platform
from mlimage.progress import Progress, Task
from mlimage.spec.load import LoadedSpec
from mlimage.spec.requirements import SpecRequirement
from mlimage.spec.tags import ROLES

SECONDS: Final = 180.0
"""For one module: `import tensorflow` takes 20 s from a cold disk."""
_AT_ONCE: Final = 8
"""Modules, each of which may take half a gigabyte of memory."""
_LARGEST: Final = 16 << 20
_SOURCES: Final = ("survey.py", "attempt.py")


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
    troubles: tuple[Trouble, ...] = ()
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
    place: Callable[[], Choice],
    store: Store,
    cache: Cache,
    progress: Progress,
    own: User,
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
        own: the user of this process.

    Raises:
        BuildError: the image's python does not even run the check.
    """
    if not wanted:
        return Checked()
    known = cache.layers / f"{_key(built, plan, wanted).hex}.imports"
    if known.is_file():
        return Checked(packages=len(wanted))
    if not built.whole:
        return Checked(packages=len(wanted), unchecked="some of its layers stayed in the registry")
    try:
        choice = place()
        there = choice.daemon.facts.platform if choice.daemon else native_platform()
        if built.image.platform != there:
            return Checked(
                packages=len(wanted), unchecked=f"it is for {built.image.platform}, and this is {there}"
            )
        found = _survey(built.image, tuple(wanted), choice, store, cache, progress, own)
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


def where(environ: Mapping[str, str], loaded: Daemon | None, *, may_load: bool) -> Choice:
    """Where an image is checked: in Docker if it was brought there, else in the sandbox, else in Docker.

    Building needs no Docker, and brings nothing there unasked as long as there is another way.

    Args:
        environ: says where Docker is.
        loaded: the engine that got the image, None where none did.
        may_load: whether the image may be brought there for this.

    Raises:
        RunError: there is no way.
    """
    if loaded is not None:
        return Choice(daemon=loaded, why="docker: the image is there")
    try:
        return choose("sandbox", environ)
    except RunError:
        if not may_load:
            raise
        return choose("auto", environ)


def refuse(failed: Sequence[tuple[str, Checked]]) -> None:
    """End the build of images of which dependencies cannot be imported.

    Raises:
        BuildError: names them.
    """
    if not failed:
        return
    parts = []
    for name, checked in failed:
        count = len({trouble.package for trouble in checked.troubles})
        parts.append(
            f"{count} of the {checked.packages} dependencies of `{name}` cannot be imported:"
            if checked.packages > 1
            else f"the dependency of `{name}` cannot be imported:"
        )
        parts += [line for trouble in checked.troubles for line in _shown(trouble)]
    image = failed[0][0].partition(":")[0]
    package = failed[0][1].troubles[0].package
    raise BuildError(
        "\n".join(parts),
        hint=f"after a change, `mlimage lock {image}` and build again; the image is built, and can be run. "
        "What needs hardware or a display: write into its mlimage.yaml "
        f"`check: {{ignore: [{{package: {package}, reason: WHY}}]}}`, or `--no-check` for once",
    )


def _shown(trouble: Trouble) -> list[str]:
    what = f"import {trouble.module}" if trouble.module else trouble.package
    lines = [f"  {trouble.where}: `{what}`: {trouble.error}", *(f"    {line}" for line in trouble.lines)]
    return [*lines, f"    hint: {trouble.hint}"] if trouble.hint else lines


def _key(built: Built, plan: BuildPlan, wanted: Mapping[str, SpecRequirement]) -> Digest:
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
        "program": [Digest.of(_source(name).encode()) for name in _SOURCES],
    }
    return Digest.of(canonical_json(said))


def _survey(
    image: SealedImage,
    packages: tuple[str, ...],
    choice: Choice,
    store: Store,
    cache: Cache,
    progress: Progress,
    own: User,
) -> Findings:
    contract = read_contract(image, store)
    user = default_user(own, contract.user)
    survey, attempt = map(_source, _SOURCES)
    request = {
        "packages": packages,
        "attempt": attempt,
        "without": contract.working_directory,
        "seconds": SECONDS,
        "jobs": _AT_ONCE,
    }
    run = RunRequest(
        image=image,
        contract=contract,
        arguments=("python", "-c", survey, json.dumps(request)),
        user=user,
        as_person=user == own,
    )
    heard: list[str] = []
    with progress.task(f"importing what {image.name} depends on", total=len(packages)) as task:
        events = _Events(task, frozenset(packages))
        with kept_by(events) as output:
            status = launch(
                shut_in(run, 60 + SECONDS * len(packages)),
                choice,
                store=store,
                cache=cache,
                progress=progress,
                say=heard.append,
                output=output,
            )
    try:
        return read_findings(events.found, packages)
    except ValueError as error:
        raise BuildError(
            f"the python of `{image.name}` did not import what the spec depends on: it ended with status "
            f"{status}",
            hint=(heard[-1] if status > 128 and heard else "its last lines above should say why")
            + "; `--no-check` leaves it out",
        ) from error


class _Events:
    """Reads the events of a survey from its output, as they come; other lines are those of the image."""

    def __init__(self, task: Task, packages: frozenset[str]) -> None:
        self.found: list[dict[str, Any]] = []
        self._task = task
        self._waiting = set(packages)
        self._rest = b""
        self._size = 0

    def take(self, piece: bytes) -> bool:
        self._size += len(piece)
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            self._hear(line)
        return self._size <= _LARGEST

    def _hear(self, line: bytes) -> None:
        try:
            event = json.loads(line)
        except ValueError:
            return
        if not isinstance(event, dict) or "event" not in event:
            return
        self.found.append(event)
        if event.get("package") in self._waiting:
            self._waiting.discard(event["package"])
            self._task.advance(1)


def _source(name: str) -> str:
    return (files(imports) / "inside" / name).read_text("utf-8")


def own_user() -> User:
    """The user of this process."""
    return User(os.geteuid(), os.getegid())
