"""Whether a lock is still what its spec asks for; offline, without pip, and naming what differs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from mlimage.digest import Digest
from mlimage.errors import LockError, UsageError
from mlimage.lock.model import AssembledBase, BaseLock, ImageBase, Lock, Wanted, WantedImage, WantedIndex
from mlimage.lock.target import markers_of, target_of
from mlimage.spec.load import LoadedSpec
from mlimage.spec.model import DebianBase, RegistryBase
from mlimage.spec.registry import parse_reference
from mlimage.spec.requirements import SpecRequirement
from mlimage.spec.tags import ImageTag
from mlimage.spec.variants import indexes_of


def wanted_by(loaded: LoadedSpec, tag: ImageTag) -> Wanted:
    """What the spec asks for, in one spelling: order, spaces, comments and repetition do not count.

    Raises:
        UsageError: the spec has no such variant.
    """
    spec, variant = loaded.spec, tag.variant
    if variant not in spec.variants:
        known = ", ".join(f"`{name}`" for name in spec.variants)
        raise UsageError(f"`{spec.name}` has no variant `{variant}`", hint=f"its variants: {known}")
    chosen = requirements_of(loaded, variant)
    indexes = (
        WantedIndex(
            name=name,
            url=Digest.of(index.url.rstrip("/").encode()),
            packages=tuple(sorted({canonicalize_name(package) for package in index.packages})),
        )
        for name, index in sorted(indexes_of(spec, variant).items())
    )
    return Wanted(
        python=spec.python,
        platform=tag.platform,
        suite=spec.base.debian if isinstance(spec.base, DebianBase) else None,
        image=wanted_image(spec.base.image) if isinstance(spec.base, RegistryBase) else None,
        packages=tuple(sorted(set(spec.base.packages))),
        requirements=tuple(sorted({normalized(item.text) for item in chosen})),
        indexes=tuple(indexes),
        split=spec.split,
    )


def wanted_image(text: str) -> WantedImage:
    """An image of the spec as locks have it, without its registry."""
    reference = parse_reference(text)
    return WantedImage(reference=Digest.of(str(reference).encode()), name=reference.name)


def requirements_of(loaded: LoadedSpec, variant: str) -> tuple[SpecRequirement, ...]:
    """The requirements in effect for a variant: those of all roles, and its own."""
    return tuple(item for item in loaded.requirements if item.variant in (None, variant))


def normalized(text: str) -> str:
    """A requirement in one spelling.

    >>> normalized("Scikit_Learn [b,a] <2, >= 1.3 ; python_version<'3.12'")
    'scikit-learn[a,b]<2,>=1.3; python_version < "3.12"'
    """
    requirement = Requirement(text)
    requirement.name = canonicalize_name(requirement.name)
    requirement.extras = {canonicalize_name(extra) for extra in requirement.extras}
    return str(requirement)


def check(loaded: LoadedSpec, lock: Lock) -> None:
    """A lock must be what its spec asks for. That its files agree with each other is for `read_lock`.

    Raises:
        LockError: it is stale or was changed by hand; the message names each thing that differs.
    """
    changed = differences(lock.wanted, wanted_by(loaded, lock.tag))
    if changed:
        raise LockError(
            f"the lock of `{lock.name}` is stale:" + "".join(f"\n  {line}" for line in changed),
            hint=f"`mlimage lock {lock.image}` brings it up to date",
        )
    wrong = contradictions(loaded, lock)
    if wrong:
        raise LockError(
            f"the lock of `{lock.name}` is not what was resolved:" + "".join(f"\n  {line}" for line in wrong),
            hint="lock files are not edited by hand: restore the folder from version control, "
            f"or delete it and run `mlimage lock {lock.image}`",
        )


def differences(locked: Wanted, wanted: Wanted) -> tuple[str, ...]:
    """What differs between what a lock was made for and what is wanted now, a line for each thing."""
    lines = [
        f"{name}: {old} → {new}"
        for name, old, new in (
            ("python", locked.python, wanted.python),
            ("platform", str(locked.platform), str(wanted.platform)),
            ("base", _base_name(locked), _base_name(wanted)),
        )
        if old != new
    ]
    if locked.image != wanted.image and _base_name(locked) == _base_name(wanted):
        lines.append(f"base: {_base_name(wanted)} is to come from another registry")
    lines += [
        *_added_and_removed("base package", locked.packages, wanted.packages),
        *_requirements(locked.requirements, wanted.requirements),
        *_indexes(locked.indexes, wanted.indexes),
    ]
    if locked.split != wanted.split:
        lines.append(f"split: {str(locked.split).lower()} → {str(wanted.split).lower()}")
    return tuple(lines)


def _base_name(wanted: Wanted) -> str:
    return wanted.image.name if wanted.image else str(wanted.suite)


def _added_and_removed(what: str, old: Iterable[str], new: Iterable[str]) -> list[str]:
    before, after = set(old), set(new)
    return [f"{what} added: {name}" for name in sorted(after - before)] + [
        f"{what} removed: {name}" for name in sorted(before - after)
    ]


def _requirements(old: Sequence[str], new: Sequence[str]) -> list[str]:
    before, after = _by_name(set(old) - set(new)), _by_name(set(new) - set(old))
    lines = [
        f"requirement changed: {' and '.join(before[name])} → {' and '.join(after[name])}"
        for name in sorted(before.keys() & after.keys())
    ]
    lines += [
        f"requirement added: {text}" for name in sorted(after.keys() - before.keys()) for text in after[name]
    ]
    lines += [
        f"requirement removed: {text}"
        for name in sorted(before.keys() - after.keys())
        for text in before[name]
    ]
    return lines


def _by_name(texts: Iterable[str]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for text in sorted(texts):
        found.setdefault(Requirement(text).name, []).append(text)
    return found


def _indexes(old: Iterable[WantedIndex], new: Iterable[WantedIndex]) -> list[str]:
    before = {index.name: index for index in old}
    after = {index.name: index for index in new}
    lines = _added_and_removed("index", before, after)
    for name in sorted(before.keys() & after.keys()):
        if before[name].url != after[name].url:
            lines.append(f"index `{name}`: its URL changed")
        lines += _added_and_removed(f"index `{name}`: package", before[name].packages, after[name].packages)
    return lines


def contradictions(loaded: LoadedSpec, lock: Lock) -> tuple[str, ...]:
    """What in a lock that is not stale cannot have been resolved: somebody wrote it."""
    lines = []
    pins = {package.name: package for package in lock.packages}
    environment = markers_of(lock.base)
    for item in requirements_of(loaded, lock.variant):
        requirement = Requirement(item.text)
        if requirement.marker is not None and not requirement.marker.evaluate(environment):
            continue
        pin = pins.get(canonicalize_name(requirement.name))
        if pin is None:
            lines.append(f"`{requirement}` is asked for, and no package of that name is locked")
        elif not requirement.specifier.contains(pin.version, prereleases=True):
            lines.append(f"`{pin.name}=={pin.version}` is locked, and `{requirement}` is asked for")
    bound = {package: index.name for index in lock.wanted.indexes for package in index.packages}
    for pin in lock.packages:
        index = bound.get(pin.name, "default")
        if pin.index != index:
            lines.append(f"`{pin.name}` is locked from the index `{pin.index}`, and must come from `{index}`")
    lines += [f"`{name}` is locked, but the python of the base cannot install it" for name in _unfit(lock)]
    return (*lines, *_contradictions_of_base(lock.base, lock.wanted))


def _contradictions_of_base(base: BaseLock, wanted: Wanted) -> list[str]:
    image = wanted.image
    match base:
        case AssembledBase():
            same, named = base.suite == wanted.suite and image is None, base.suite
            debs = {deb.name for deb in base.debs}
            missing = [name for name in wanted.packages if name not in debs]
        case ImageBase():  # it may have a package itself, so its debs are not all that is asked for
            same, named = image is not None and base.reference == image.reference, base.repository
            missing = [name for name in wanted.packages if name not in base.packages]
    lines = []
    if not same or (base.python, base.platform) != (wanted.python, wanted.platform):
        lines.append(f"the base is {named} for {base.platform} with python {base.python}")
    return lines + [f"base package `{name}` is asked for, and not locked" for name in missing]


def _unfit(lock: Lock) -> Iterator[str]:
    """Names of the wheels that are for another python or platform."""
    try:
        tags = frozenset(target_of(lock.base).tags)
    except ValueError:  # a base without python: what is asked for says so
        return
    for pin in lock.packages:
        if tags.isdisjoint(map(str, parse_wheel_filename(pin.file)[3])):
            yield pin.file
