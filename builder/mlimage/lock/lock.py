"""Makes one lock: its base, versions by a resolver, files from the indexes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import mlimage
from mlimage.content.interpreter import Interpreter, Target
from mlimage.errors import LockError, ResolveError
from mlimage.lock.base import assembled, unpacked
from mlimage.lock.changes import Change, Upgrade, changes
from mlimage.lock.check import contradictions, differences, requirements_of, wanted_by
from mlimage.lock.compile import PIP_COMPILE
from mlimage.lock.cuda import refuse_unfit
from mlimage.lock.image import resolve_image, reusable_image, unpacked_python
from mlimage.lock.model import BaseLock, Lock, Wanted
from mlimage.lock.packages import lock_packages
from mlimage.lock.resolver import Resolver
from mlimage.lock.root import interpreter_of
from mlimage.lock.sources import Sources
from mlimage.lock.target import target_of
from mlimage.lock.together import check_locked
from mlimage.lock.variants import accelerators_of, constraints_of, disagreement, disagreements
from mlimage.platforms import LINUX_AMD64, Platform
from mlimage.process import Runner
from mlimage.spec.load import LoadedSpec
from mlimage.spec.tags import ImageTag
from mlimage.spec.variants import accelerator_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """What locking gave; `fresh` when the lock was up to date and nothing was resolved."""

    lock: Lock
    changes: tuple[Change, ...]
    fresh: bool


def lock_image(
    loaded: LoadedSpec,
    tag: ImageTag,
    *,
    previous: Lock | None,
    like: Lock | None = None,
    before: Sequence[Lock] = (),
    upgrade: Upgrade,
    now: datetime,
    sources: Sources,
    run: Runner,
    resolver: Resolver = PIP_COMPILE,
    places: Callable[[], Mapping[str, str]] = dict,
    host: Platform | None = LINUX_AMD64,
) -> Locked:
    """Lock one variant for one platform; writes nothing into the project.

    Without `upgrade`, a lock that is what the spec asks for stays as it is, and of one that is not, the base
    and every version stay where the spec allows it, as does the date up to which indexes are looked at.

    Args:
        loaded: the spec.
        tag: which one.
        previous: the lock that is there.
        like: where there is none, another lock of the image, of which as much is kept as of this one's own.
        before: the locks that were made before this one, with whom it must agree: it gets their date and
            their versions, and the base of those for its platform.
        upgrade: what may move.
        now: the time; the new lock's date when there is none before or something is upgraded.
        sources: where locked files come from.
        run: starts processes.
        resolver: decides versions; which one it is makes no lock stale.
        places: tells, when asked, where in the spec each package of the base stands, as `path:line:column`.
        host: the platform whose programs this machine runs. For another, python is not asked what it is:
            the base tells.

    Raises:
        ResolveError: there is no solution, or it cannot be locked.
        FetchError: an index or an archive cannot be reached.
        UsageError: the spec asks for what this version cannot lock, or this machine lacks a tool.
    """
    wanted = wanted_by(loaded, tag)
    others = {lock.tag: lock for lock in before}
    if previous is not None and not upgrade and not _stale(loaded, previous, wanted, others):
        return Locked(lock=previous, changes=(), fresh=True)
    tools = {"mlimage": mlimage.__version__, **resolver.tools(run)}
    known = previous or like
    kept = None if upgrade.everything or known is None else known.base
    beside = next((lock.base for lock in before if lock.base.platform == tag.platform), None)
    base, interpreter, target = _base(
        wanted, previous=beside or kept, places=places, sources=sources, run=run, host=host
    )
    as_of = _as_of(known, before, upgrade, now)

    def resolved(constraints: Mapping[str, Version]) -> tuple[Lock, Mapping[str, str]]:
        packages, notes = lock_packages(
            requirements_of(loaded, tag.variant),
            interpreter,
            target,
            image=loaded.spec.name,
            platforms=loaded.spec.platforms,
            previous=known,
            constraints=constraints,
            upgrade=upgrade,
            as_of=as_of,
            resolver=resolver,
            indexes=sources.indexes,
            progress=sources.progress,
            run=run,
        )
        lock = Lock(
            image=loaded.spec.name,
            variant=tag.variant,
            base=base,
            packages=packages,
            wanted=wanted,
            as_of=as_of,
            tools=tuple(sorted(tools.items())),
        )
        return lock, notes

    constraints = constraints_of(before, accelerators_of(loaded))
    try:
        lock, notes = resolved(constraints)
    except ResolveError as error:
        # Without the others' versions it either fails for a reason of its own, or shows where they part.
        alone = resolved({})[0] if constraints else None
        apart = disagreement(loaded, {**others, tag: alone}) if alone else None
        raise (apart or error) from None
    apart = disagreement(loaded, {**others, tag: lock})
    if apart is not None:
        raise apart
    refuse_unfit(
        lock.packages,
        requirements_of(loaded, tag.variant),
        accelerator=accelerator_of(loaded.spec, tag.variant),
        variant=tag.variant,
    )
    check_locked(loaded, lock, sources)
    return Locked(lock=lock, changes=changes(previous, lock, notes=notes), fresh=False)


def _as_of(previous: Lock | None, before: Sequence[Lock], upgrade: Upgrade, now: datetime) -> datetime:
    """Variants have one date; it moves with an upgrade alone."""
    if before:
        return before[0].as_of
    if previous is not None and not upgrade:
        return previous.as_of
    return now.astimezone(UTC).replace(microsecond=0)


def _base(
    wanted: Wanted,
    *,
    previous: BaseLock | None,
    places: Callable[[], Mapping[str, str]],
    sources: Sources,
    run: Runner,
    host: Platform | None,
) -> tuple[BaseLock, Interpreter, Target]:
    """The base, that of the lock before where it is still what is wanted; its python; and what that is."""
    native = wanted.platform == host
    base: BaseLock
    if wanted.image is None:
        base = assembled(wanted, previous=previous, places=places, sources=sources, run=run)
        interpreter = unpacked(base, sources) if native else interpreter_of(sources.cache, base)
    else:
        image = reusable_image(previous, wanted)
        if image is None or image.packages != wanted.packages:
            image = resolve_image(
                wanted, previous=image, places=places, sources=sources, run=run, native=native
            )
        base = image
        interpreter = unpacked_python(image, sources, run) if native else interpreter_of(sources.cache, base)
    target = sources.shared.target(interpreter, run) if native else target_of(base)
    return base, interpreter, target


def _stale(loaded: LoadedSpec, lock: Lock, wanted: Wanted, others: Mapping[ImageTag, Lock]) -> bool:
    return bool(
        differences(lock.wanted, wanted)
        or contradictions(loaded, lock)
        or any(not _stand_together(lock, other) for other in others.values())
        or disagreements(loaded, {**others, lock.tag: lock})
    )


def _stand_together(lock: Lock, other: Lock) -> bool:
    """All locks of an image have one date, and those of a platform one base."""
    one_base = lock.base == other.base or lock.base.platform != other.base.platform
    return one_base and lock.as_of == other.as_of


def shared_upgrades(
    names: Sequence[str], images: Mapping[str, tuple[LoadedSpec, Mapping[ImageTag, Lock]]]
) -> Mapping[str, tuple[str, ...]]:
    """What each image is to upgrade of packages that are named for all of them, by the image's name.

    That is what it has, and an image that has none of them is left out. Where a package is in no image, all
    are asked for all, and the first one refuses.

    Args:
        names: of packages.
        images: spec and locks of each, by its name.
    """
    found = {
        image: tuple(name for name in names if canonicalize_name(name) in _known(loaded, previous))
        for image, (loaded, previous) in images.items()
    }
    if {name for known in found.values() for name in known} != set(names):
        return dict.fromkeys(images, tuple(names))
    return {image: known for image, known in found.items() if known or not names}


def _known(loaded: LoadedSpec, previous: Mapping[ImageTag, Lock]) -> set[str]:
    asked = {canonicalize_name(Requirement(item.text).name) for item in loaded.requirements}
    return asked | {package.name for lock in previous.values() for package in lock.packages}


def refuse_unknown_upgrades(upgrade: Upgrade, loaded: LoadedSpec, previous: Mapping[ImageTag, Lock]) -> None:
    """What is to be upgraded must be there; raises `LockError`.

    Args:
        upgrade: what the user names.
        loaded: the spec.
        previous: the locks of the image, by tag.
    """
    if not upgrade.packages:
        return
    if not previous:
        raise LockError(
            "there is no lock yet whose packages could be upgraded", hint="`mlimage lock` makes one"
        )
    known = _known(loaded, previous)
    for name in upgrade.packages:
        if canonicalize_name(name) not in known:
            near = get_close_matches(canonicalize_name(name), known, n=1)
            [first, *more] = sorted(map(str, previous))
            which = f"`{loaded.spec.name}`" if more else f"`{loaded.spec.name}:{first}`"
            raise LockError(
                f"no package `{name}` is in the lock of {which}",
                hint=f"did you mean `{near[0]}`?"
                if near
                else "name a package of the lock, without its version",
            )
