"""Locks what one image needs, one lock after the other, so that each gets what those before it have."""

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime

from packaging.utils import canonicalize_name

from mlimage.lock.changes import Upgrade
from mlimage.lock.compile import PIP_COMPILE
from mlimage.lock.lock import Locked, lock_image, refuse_unknown_upgrades
from mlimage.lock.model import Lock
from mlimage.lock.resolver import Resolver
from mlimage.lock.sources import Sources
from mlimage.platforms import LINUX_AMD64, Platform
from mlimage.process import Runner
from mlimage.spec.load import LoadedSpec
from mlimage.spec.tags import ImageTag, lock_tags


def lock_all(
    loaded: LoadedSpec,
    chosen: Collection[ImageTag],
    *,
    previous: Mapping[ImageTag, Lock],
    upgrade: Upgrade,
    now: datetime,
    open_sources: Callable[[str], AbstractContextManager[Sources]],
    run: Runner,
    resolvers: Callable[[Platform], Resolver] = lambda _: PIP_COMPILE,
    places: Callable[[], Mapping[str, str]] = dict,
    host: Platform | None = LINUX_AMD64,
) -> tuple[Locked, ...]:
    """Make the locks of an image, or some of them, in the order of `spec.tags.lock_tags`; writes nothing.

    Args:
        loaded: the spec.
        chosen: tags of the locks to make; the others stay, and count for those behind them.
        previous: the locks that are there.
        upgrade: what may move.
        now: the time.
        open_sources: opens where the locked files of a variant come from.
        run: starts processes.
        resolvers: gives what decides versions for a platform.
        places: tells where in the spec each package of the base stands.
        host: the platform whose programs this machine runs.

    Raises:
        ResolveError, FetchError, UsageError: as `lock_image` does; variants that cannot agree among them.
        LockError: `upgrade` names a package that no lock has.
    """
    refuse_unknown_upgrades(upgrade, loaded, previous)
    done: list[Lock] = []
    results = []
    for tag in lock_tags(loaded.spec):
        before = previous.get(tag)
        if tag not in chosen:
            done += [before] if before else []
            continue
        with open_sources(tag.variant) as sources:
            locked = lock_image(
                loaded,
                tag,
                previous=before,
                like=next(iter(previous.values()), None),
                before=done,
                upgrade=_of(upgrade, before),
                now=now,
                sources=sources,
                run=run,
                resolver=resolvers(tag.platform),
                places=places,
                host=host,
            )
        results.append(locked)
        done.append(locked.lock)
    return tuple(results)


def _of(upgrade: Upgrade, previous: Lock | None) -> Upgrade:
    """What is to be upgraded of one variant, which may lack a package that another one has."""
    if previous is None or not upgrade.packages:
        return upgrade
    there = {package.name for package in previous.packages}
    return replace(upgrade, packages=tuple(n for n in upgrade.packages if canonicalize_name(n) in there))
