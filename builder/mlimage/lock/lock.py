"""Locks one variant of an image: its base, versions by a resolver, files from the indexes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import mlimage
from mlimage.content.interpreter import Interpreter
from mlimage.errors import LockError
from mlimage.lock.base import resolve_base, reusable, unpacked
from mlimage.lock.changes import Change, Upgrade, changes
from mlimage.lock.check import contradictions, differences, requirements_of, wanted_by
from mlimage.lock.compile import PIP_COMPILE
from mlimage.lock.image import resolve_image, reusable_image, unpacked_python
from mlimage.lock.model import BaseLock, Lock, Wanted
from mlimage.lock.packages import lock_packages
from mlimage.lock.resolver import Resolver
from mlimage.lock.sources import Sources
from mlimage.platforms import LINUX_AMD64, Platform
from mlimage.process import Runner
from mlimage.spec.load import LoadedSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """What locking gave; `fresh` when the lock was up to date and nothing was resolved."""

    lock: Lock
    changes: tuple[Change, ...]
    fresh: bool


def lock_image(
    loaded: LoadedSpec,
    variant: str,
    *,
    previous: Lock | None,
    upgrade: Upgrade,
    now: datetime,
    sources: Sources,
    run: Runner,
    resolver: Resolver = PIP_COMPILE,
    places: Callable[[], Mapping[str, str]] = dict,
    platform: Platform = LINUX_AMD64,
) -> Locked:
    """Lock one variant; writes nothing into the project.

    Without `upgrade`, a lock that is what the spec asks for stays as it is, and of one that is not, the base
    and every version stay where the spec allows it, as does the date up to which indexes are looked at.

    Args:
        loaded: the spec.
        variant: which one.
        previous: the lock that is there.
        upgrade: what may move.
        now: the time; the new lock's date when there is none before or something is upgraded.
        sources: where locked files come from.
        run: starts processes.
        resolver: decides versions; the lock does not depend on which one it is.
        places: tells, when asked, where in the spec each package of the base stands, as `path:line:column`.
        platform: of the image, when there is no lock yet.

    Raises:
        ResolveError: there is no solution, or it cannot be locked.
        FetchError: an index or an archive cannot be reached.
        UsageError: the spec asks for what this version cannot lock, or this machine lacks a tool.
    """
    wanted = wanted_by(loaded, variant, platform=previous.base.platform if previous else platform)
    _refuse_unknown_upgrades(upgrade, previous, wanted)
    if previous is not None and not upgrade and not _stale(loaded, previous, wanted):
        return Locked(lock=previous, changes=(), fresh=True)
    tools = {"mlimage": mlimage.__version__, **resolver.tools(run)}
    as_of = (
        previous.as_of if previous is not None and not upgrade else now.astimezone(UTC).replace(microsecond=0)
    )
    base, interpreter = _base(
        wanted,
        previous=None if upgrade.everything or previous is None else previous.base,
        places=places,
        sources=sources,
        run=run,
    )
    packages, notes = lock_packages(
        requirements_of(loaded, variant),
        interpreter,
        image=loaded.spec.name,
        previous=previous,
        upgrade=upgrade,
        as_of=as_of,
        resolver=resolver,
        sources=sources,
        run=run,
    )
    lock = Lock(
        image=loaded.spec.name,
        variant=variant,
        base=base,
        packages=packages,
        wanted=wanted,
        as_of=as_of,
        tools=tuple(sorted(tools.items())),
    )
    return Locked(lock=lock, changes=changes(previous, lock, notes=notes), fresh=False)


def _base(
    wanted: Wanted,
    *,
    previous: BaseLock | None,
    places: Callable[[], Mapping[str, str]],
    sources: Sources,
    run: Runner,
) -> tuple[BaseLock, Interpreter]:
    """The base, that of the lock before where it is still what is wanted, and its python."""
    if wanted.image is None:
        assembled = reusable(previous, wanted) or resolve_base(
            wanted, places=places, sources=sources, run=run
        )
        return assembled, unpacked(assembled, sources)
    image = reusable_image(previous, wanted)
    if image is None or image.packages != wanted.packages:
        image = resolve_image(wanted, previous=image, places=places, sources=sources, run=run)
    return image, unpacked_python(image, sources, run)


def _stale(loaded: LoadedSpec, lock: Lock, wanted: Wanted) -> bool:
    return bool(differences(lock.wanted, wanted) or contradictions(loaded, lock))


def _refuse_unknown_upgrades(upgrade: Upgrade, previous: Lock | None, wanted: Wanted) -> None:
    if not upgrade.packages:
        return
    if previous is None:
        raise LockError(
            "there is no lock yet whose packages could be upgraded", hint="`mlimage lock` makes one"
        )
    known = {package.name for package in previous.packages}
    known |= {Requirement(text).name for text in wanted.requirements}
    for name in upgrade.packages:
        if canonicalize_name(name) not in known:
            near = get_close_matches(canonicalize_name(name), known, n=1)
            raise LockError(
                f"no package `{name}` is in the lock of `{previous.image}:{previous.variant}`",
                hint=f"did you mean `{near[0]}`?"
                if near
                else "name a package of the lock, without its version",
            )
