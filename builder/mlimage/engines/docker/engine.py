"""The docker engine: hands the base and the wheels to BuildKit, and seals what the Dockerfile gives."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Final

from mlimage.atomic import scratch_folder
from mlimage.content.entry import Entry, Kind, arrange, same
from mlimage.engines.docker.buildx import Build, run_build
from mlimage.engines.docker.contexts import (
    base_context,
    debs_context,
    pip_context,
    runtime_context,
    wheels_context,
)
from mlimage.engines.docker.output import read_output
from mlimage.engines.docker.recut import Recut, recut
from mlimage.engines.docker.secrets import need_secrets
from mlimage.engines.fetches import Fetches
from mlimage.engines.work import Work
from mlimage.errors import BuildError
from mlimage.oci.model import LayerBlob
from mlimage.plan.config import APP, ROLES
from mlimage.plan.model import (
    AppLayer,
    AptLayer,
    BaseLayer,
    BuildPlan,
    GoldenLayer,
    LibraryLayer,
    PackageLayer,
    PulledLayer,
    RecipeLayer,
    RuntimeLayer,
)
from mlimage.progress import NOTHING
from mlimage.render.dockerfile import render

if TYPE_CHECKING:
    from mlimage.engines.layers import Job

_SHOWN: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerEngine:
    """An `Engine` that builds with BuildKit.

    Attributes:
        project: the project's folder, which is the build context.
        secrets: (name, `src=FILE` or `env=NAME`) of the secrets that steps read.
        environ: the environment of the `docker` command.
        cached: whether BuildKit may use what it built before.
    """

    project: Path
    secrets: Sequence[tuple[str, str]]
    environ: Mapping[str, str]
    cached: bool = True

    def __call__(self, job: "Job") -> Iterator[tuple[str, LayerBlob]]:
        """Make the missing layers of a job.

        Raises:
            BuildError: BuildKit is not there, a step fails, or what it gives is not what was planned.
            UsageError: a step asks for a secret that was not handed over.
            FetchError: an input cannot be had, or is not what was locked.
        """
        need_secrets(self.secrets, job.plan.dockerfile.steps)
        job = replace(job, inputs=cache(job.inputs))
        without = tuple(
            layer
            for layer in job.missing
            if isinstance(layer, BaseLayer | PulledLayer | LibraryLayer | RecipeLayer | GoldenLayer)
        )
        blobs = dict(job.known)
        for name, blob in Work(job).make(without):
            blobs[name] = blob
            yield name, blob
        rest = tuple(layer for layer in job.missing if layer not in without)
        if rest:
            with scratch_folder(job.cache.root) as scratch:
                made = self._build(job, blobs, scratch)
                yield from Work(job, made=made).make(rest)

    def _build(self, job: "Job", blobs: Mapping[str, LayerBlob], scratch: Path) -> Recut:
        plan = job.plan
        layers = [
            blobs[layer.name]
            for layer in plan.layers
            if isinstance(layer, BaseLayer | PulledLayer | LibraryLayer)
        ]
        rendered = render(plan)
        dockerfile = scratch / "Dockerfile"
        dockerfile.write_bytes(rendered.dockerfile.encode())
        dockerfile.with_name("Dockerfile.dockerignore").write_bytes(rendered.ignore.encode())
        build = Build(
            dockerfile=dockerfile,
            context=self.project,
            contexts={"base": base_context(plan, layers, job.store), **_folders(job, scratch)},
            arguments={"PIP_COMPILE": "0"},
            secrets=self.secrets,
            output=scratch / "output",
            packs=find_spec("zstandard") is not None,
            cached=self.cached,
            platform=str(plan.platform),
        )
        try:
            run_build(build, environ=self.environ, progress=job.progress)
        except BuildError:
            for layer in layers:  # BuildKit reads them in the store; where one is damaged, that is the cause
                job.store.check(layer.blob, name=layer.name)
            raise
        with job.progress.task("sorting what BuildKit built into layers"):
            output = read_output(build.output, below=len(layers))
            made = recut(plan, output, folders=_folders_of_runtime(job))
        made = replace(
            made,
            by_package={
                name: job.together.as_in_wheels(name, entries, partial(job.inputs().get, task=NOTHING))
                for name, entries in made.by_package.items()
            },
        )
        check_app(plan, made, job.own)
        if made.incapable:
            files = ", ".join(f"`/{path}`" for path in made.incapable)
            job.progress.warn(f"the image does not keep the capabilities of {files} (`setcap`)")
        if made.dropped:
            job.progress.detail(f"left out of the image: {', '.join('/' + path for path in made.dropped)}")
        return made


def _folders(job: "Job", scratch: Path) -> dict[str, str]:
    """The named contexts that are folders, filled with every file of the plan, fetched and verified."""
    wheels = [
        package for layer in job.plan.layers if isinstance(layer, PackageLayer) for package in layer.packages
    ]
    debs = [deb for layer in job.plan.layers if isinstance(layer, AptLayer) for deb in layer.debs]
    stop = Event()
    fetches = Fetches(job.inputs(), cache=job.cache, store=job.store, progress=job.progress, stop=stop)
    with ExitStack() as stack:
        stack.callback(stop.set)
        stack.enter_context(fetches.begun([*debs, *wheels]))
        job.together.check(fetches.path)
        contexts = {
            "pip": pip_context(scratch / "pip"),
            "runtime": runtime_context(_runtime(job), scratch / "runtime"),
            "wheels": wheels_context([(each, fetches.path(each)) for each in wheels], scratch / "wheels"),
        }
        if debs:
            contexts["debs"] = debs_context([(each, fetches.path(each)) for each in debs], scratch / "debs")
    return {name: str(folder) for name, folder in contexts.items()}


def _runtime(job: "Job") -> tuple[Entry, ...]:
    """The runtime's files, and what the application's layer has of mlimage."""
    layers = {type(layer): layer.name for layer in job.plan.layers}
    mine = {ROLES, *(f"{APP}/{place}" for place, _ in job.plan.dockerfile.links)}
    of_app = [entry for entry in job.own[layers[AppLayer]] if entry.path in mine]
    return arrange([*job.own[layers[RuntimeLayer]], *of_app])


def _folders_of_runtime(job: "Job") -> tuple[Entry, ...]:
    [name] = [layer.name for layer in job.plan.layers if isinstance(layer, RuntimeLayer)]
    return tuple(entry for entry in job.own[name] if entry.kind is Kind.DIRECTORY)


def check_app(plan: BuildPlan, made: Recut, own: Mapping[str, Sequence[Entry]]) -> None:
    """BuildKit must have seen what the direct engine sees of the application: it is the layer's key.

    Raises:
        BuildError: a file is missing or too many, or has another mode, content or target.
    """
    [name] = [layer.name for layer in plan.layers if isinstance(layer, AppLayer)]
    wanted = {entry.path: entry for entry in own[name] if entry.kind is not Kind.DIRECTORY}
    found = {entry.path: entry for entry in made.by_layer[name] if entry.kind is not Kind.DIRECTORY}
    other = {
        path for path in wanted.keys() & found.keys()
        if wanted[path].mode != found[path].mode or not same(wanted[path], found[path])
    }  # fmt: skip
    paths = sorted((wanted.keys() ^ found.keys()) | other)
    if paths:
        what = ", ".join(f"`/{path}`" for path in paths[:_SHOWN])
        raise BuildError(
            f"BuildKit saw other files of the application than are there: {what}"
            + (f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""),
            hint="did they change during the build? else report it as a defect of mlimage",
        )
