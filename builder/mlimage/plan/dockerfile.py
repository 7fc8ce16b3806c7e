"""What a Dockerfile of the image needs to know, and why an image can be built with Docker only."""

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import replace
from graphlib import TopologicalSorter

from mlimage.content.app import ALWAYS_IGNORED
from mlimage.content.ignore import only
from mlimage.lock.collisions import Allowed, allowed_by
from mlimage.lock.model import BaseLock, ImageBase, Lock, LockedPackage
from mlimage.lock.roles import packages_of
from mlimage.lock.writer import requirements_file
from mlimage.plan.layers import yields_of
from mlimage.plan.model import AptLayer, BuildPlan, DockerfilePlan, Moment, RunStep
from mlimage.spec.load import LoadedSpec
from mlimage.spec.model import DebianBase, ImageSpec, RegistryBase, Role
from mlimage.spec.places import app_places
from mlimage.spec.tags import RoleName
from mlimage.spec.variants import indexes_of


def dockerfile_plan(loaded: LoadedSpec, lock: Lock, role: RoleName | None) -> DockerfilePlan:
    """The part of a plan that is for Dockerfiles alone. Pure."""
    spec = loaded.spec
    folder = f"images/{spec.name}"
    runs = (getattr(spec, role) if role else None) or spec.serve or spec.train
    base = lock.base
    links = app_places(spec.models, spec.data)
    return DockerfilePlan(
        base=_reference(spec.base, base),
        python=f"/{base.installation.program}" if isinstance(base, ImageBase) else f"python{base.python}",
        debs=tuple(f"{deb.name}={deb.version}" for deb in base.debs) if isinstance(base, ImageBase) else (),
        steps=tuple(
            RunStep(
                at=Moment(step.at),
                command=step.command.strip("\n"),
                secrets=step.secrets,
                cache=step.cache,
                network=step.network == "default",
            )
            for step in spec.run
        ),
        template=(loaded.template.path, loaded.template.text) if loaded.template else None,
        requirements=f"lockfiles/{spec.name}/{requirements_file(replace(lock.tag, role=role))}",
        kept=_kept(packages_of(lock, role), allowed_by(spec)),
        source=posixpath.normpath(f"{folder}/{spec.app.source}"),
        folder=folder,
        ignore=(*ALWAYS_IGNORED, *loaded.ignore, *(only(place) for place, _ in links)),
        links=links,
        indexes=tuple(index.url for _, index in sorted(indexes_of(spec, lock.variant).items())),
        command=_command(runs) if runs else (),
    )


def needs_docker(plan: BuildPlan) -> tuple[str, ...]:
    """Why the direct engine cannot build it, in the user's words; nothing where it can."""
    return tuple(_needs(plan))


def asks_for_docker(spec: ImageSpec) -> bool:
    """Whether the direct engine will not be able to build the spec's images, before there is a lock."""
    installs = isinstance(spec.base, RegistryBase) and bool(spec.base.packages)
    return installs or bool(spec.run) or spec.dockerfile.template is not None


def has_steps(dockerfile: DockerfilePlan) -> bool:
    """Whether something runs in the build that only its author knows."""
    return bool(dockerfile.steps or dockerfile.template)


def _needs(plan: BuildPlan) -> Iterator[str]:
    if any(isinstance(layer, AptLayer) for layer in plan.layers):
        yield "the image that is the base installs `base.packages` with its own dpkg"
    count = len(plan.dockerfile.steps)
    if count:
        yield f"`run:` has {count} step{'s' if count > 1 else ''}"
    if plan.dockerfile.template:
        yield f"`dockerfile.template` is `{plan.dockerfile.template[0]}`"


def _reference(base: DebianBase | RegistryBase, locked: BaseLock) -> str | None:
    """What the user wrote, for readers, with the digest that was locked, which decides."""
    if not isinstance(base, RegistryBase) or not isinstance(locked, ImageBase):
        return None
    return f"{base.image.partition('@')[0]}@{locked.index}"


def _kept(packages: Sequence[LockedPackage], allowed: Sequence[Allowed]) -> tuple[str, ...]:
    """Each after those that it loses files to others of, so that the last one that writes a file keeps it."""
    by_name = {package.name: package for package in packages}
    above = {name: {each.to.name for each in yields} for name, yields in yields_of(packages, allowed).items()}
    keeping = set().union(*above.values()) if above else set()
    order = TopologicalSorter(above).static_order()
    return tuple(f"{name}=={by_name[name].version}" for name in reversed(tuple(order)) if name in keeping)


def _command(role: Role) -> tuple[str, ...]:
    """The role's command with its variables, which mlimage's runtime would set."""
    if not role.env:
        return role.command
    return ("env", *(f"{name}={value}" for name, value in sorted(role.env.items())), *role.command)
