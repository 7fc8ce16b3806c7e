"""Locks the variants of one image one after the other, so that each gets what those before it have."""

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
from mlimage.process import Runner
from mlimage.spec.load import LoadedSpec
from mlimage.spec.variants import in_order


def lock_variants(
    loaded: LoadedSpec,
    chosen: Collection[str],
    *,
    previous: Mapping[str, Lock],
    upgrade: Upgrade,
    now: datetime,
    open_sources: Callable[[str], AbstractContextManager[Sources]],
    run: Runner,
    resolver: Resolver = PIP_COMPILE,
    places: Callable[[], Mapping[str, str]] = dict,
) -> tuple[Locked, ...]:
    """Lock some variants of an image, in the order of `spec.variants.in_order`; writes nothing.

    Args:
        loaded: the spec.
        chosen: names of the variants to lock; the locks of the others stay, and count for those behind them.
        previous: the locks that are there.
        upgrade: what may move.
        now: the time.
        open_sources: opens where the locked files of a variant come from.
        run: starts processes.
        resolver: decides versions.
        places: tells where in the spec each package of the base stands.

    Raises:
        ResolveError, FetchError, UsageError: as `lock_image` does; variants that cannot agree among them.
        LockError: `upgrade` names a package that no lock has.
    """
    refuse_unknown_upgrades(upgrade, loaded, previous)
    done: list[Lock] = []
    results = []
    for variant in in_order(loaded.spec):
        before = previous.get(variant)
        if variant not in chosen:
            done += [before] if before else []
            continue
        with open_sources(variant) as sources:
            locked = lock_image(
                loaded,
                variant,
                previous=before,
                like=next(iter(previous.values()), None),
                before=done,
                upgrade=_of(upgrade, before),
                now=now,
                sources=sources,
                run=run,
                resolver=resolver,
                places=places,
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
