"""Locks of one image: what the first one gets is what the others get, and no two may drift apart."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Final

from packaging.version import Version

from mlimage.errors import LockError, ResolveError
from mlimage.lock.model import Lock, LockedPackage
from mlimage.mirrors import DEFAULT_INDEX
from mlimage.spec.load import LoadedSpec
from mlimage.spec.tags import ImageTag, lock_tags

_FILE: Final = Path(__file__).with_name("accelerators.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerators:
    """Which packages may differ between variants.

    Attributes:
        only: patterns of names that one variant has and another does not.
        builds: names whose builds differ under one public version.
    """

    only: tuple[str, ...]
    builds: frozenset[str]

    def is_only(self, name: str) -> bool:
        """Whether a variant may have the package alone."""
        return any(fnmatchcase(name, pattern) for pattern in self.only)

    def may_differ(self, name: str) -> bool:
        """Whether variants may have other files of it."""
        return name in self.builds or self.is_only(name)


def accelerators_of(loaded: LoadedSpec) -> Accelerators:
    """The rules of mlimage, and what the spec adds to them."""
    only, builds = _rules()
    return Accelerators(only=(*only, *loaded.spec.accelerator_packages), builds=builds)


@cache
def _rules() -> tuple[tuple[str, ...], frozenset[str]]:
    rules = tomllib.loads(_FILE.read_text())
    return tuple(rules["only"]), frozenset(rules["builds"])


def constraints_of(locks: Sequence[Lock], rules: Accelerators) -> Mapping[str, Version]:
    """The versions that the locks before leave to the next one: public ones, of all but accelerators' own."""
    found: dict[str, Version] = {}
    for lock in locks:
        for package in lock.packages:
            if not rules.is_only(package.name):
                found.setdefault(package.name, Version(package.version.public))
    return found


def check_variants(loaded: LoadedSpec, locks: Mapping[ImageTag, Lock]) -> None:
    """Locks of one image must agree; those that are not given are not looked at.

    Raises:
        LockError: they do not; names each package, both versions and who asks for them.
    """
    wrong = disagreements(loaded, locks)
    if wrong:
        name = loaded.spec.name
        raise LockError(
            f"the variants of `{name}` have drifted apart:" + "".join(f"\n  {line}" for line in wrong),
            hint=f"`mlimage lock {name}` resolves them together",
        )


def disagreement(loaded: LoadedSpec, locks: Mapping[ImageTag, Lock]) -> ResolveError | None:
    """The error for locks that were just resolved and do not agree."""
    rules = accelerators_of(loaded)
    for lock in locks.values():
        for line in _labels(lock, rules):
            return ResolveError(line, hint=_one_index(lock, rules))
    wrong = disagreements(loaded, locks)
    if not wrong:
        return None
    return ResolveError(
        f"the variants of `{loaded.spec.name}` cannot have the same packages:"
        + "".join(f"\n  {line}" for line in wrong),
        hint="loosen the requirement of one variant, or name packages that may differ in "
        "`accelerator_packages:`",
    )


def disagreements(loaded: LoadedSpec, locks: Mapping[ImageTag, Lock]) -> tuple[str, ...]:
    """What two locks have otherwise though they should share it, a line for each package."""
    rules = accelerators_of(loaded)
    order = [tag for tag in lock_tags(loaded.spec) if tag in locks]
    lines: list[str] = []
    for number, one in enumerate(order):
        lines += _labels(locks[one], rules)
        for other in order[number + 1 :]:
            if one.platform == other.platform:
                lines += _between(locks[one], locks[other], rules)
            elif one.variant == other.variant:
                lines += _across(locks[one], locks[other])
    return tuple(dict.fromkeys(lines))


def _labels(lock: Lock, rules: Accelerators) -> Iterator[str]:
    """Builds of one variant are for one accelerator."""
    found = _labelled(lock, rules)
    if len({package.version.local for package in found}) > 1:
        listed = ", ".join(
            f"`{package.name}` is {package.version.local or 'without a label'}" for package in found
        )
        yield f"`{lock.tag}` has builds for several accelerators: {listed}"


def _labelled(lock: Lock, rules: Accelerators) -> tuple[LockedPackage, ...]:
    return tuple(
        each for each in lock.packages if each.name in rules.builds and each.name.startswith("torch")
    )


def _one_index(lock: Lock, rules: Accelerators) -> str:
    """The hint for builds that come from several indexes, mostly since one package was forgotten."""
    found = _labelled(lock, rules)
    index = next((package.index for package in found if package.index != DEFAULT_INDEX), "NAME")
    names = ", ".join(package.name for package in found)
    return f"bind them all to one index: `{index}: {{url: …, packages: [{names}]}}` under `indexes:`"


def _across(one: Lock, other: Lock) -> Iterator[str]:
    """One variant for two platforms: the same versions, and for what is for any platform the same file.

    A package may be on one of them alone, since markers name platforms.
    """
    first = {package.name: package for package in one.packages}
    for b in other.packages:
        a = first.get(b.name)
        if a is None:
            continue
        if a.version.public != b.version.public:
            yield _versions(one, a, other, b)
        elif a.file == b.file and a.sha256 != b.sha256:
            yield _files(one, a, other)


def _versions(one: Lock, a: LockedPackage, other: Lock, b: LockedPackage) -> str:
    return (
        f"`{a.name}` is {a.version} in `{one.tag}` ({_askers(a)}) and {b.version} in "
        f"`{other.tag}` ({_askers(b)})"
    )


def _files(one: Lock, package: LockedPackage, other: Lock) -> str:
    return f"`{package.name}=={package.version}` is another file in `{one.tag}` and in `{other.tag}`"


def _between(one: Lock, other: Lock, rules: Accelerators) -> Iterator[str]:
    first = {package.name: package for package in one.packages}
    second = {package.name: package for package in other.packages}
    for name in sorted(first.keys() & second.keys()):
        a, b = first[name], second[name]
        if a.version.public != b.version.public:
            yield _versions(one, a, other, b)
        elif a.sha256 != b.sha256 and not rules.may_differ(name):
            yield _files(one, a, other)
    for lock, having, lacking, lacks in ((one, first, second, other), (other, second, first, one)):
        allowed = _explained(lock, having, rules)
        for name in sorted(having.keys() - lacking.keys() - allowed):
            package = having[name]
            yield (
                f"`{name}` {package.version} is in `{lock.tag}` ({_askers(package)}) and not in `{lacks.tag}`"
            )


def _explained(lock: Lock, packages: Mapping[str, LockedPackage], rules: Accelerators) -> frozenset[str]:
    """Packages that a variant may have alone.

    They are an accelerator's, the variant asks for them itself, or nothing asks for them but such packages
    and builds that differ.
    """
    own = f"-r variants.{lock.variant}.dependencies"
    allowed = {
        name for name, package in packages.items() if rules.is_only(name) or own in package.required_by
    }
    while True:
        more = {
            name
            for name, package in packages.items()
            if name not in allowed
            and all(
                asker in allowed or rules.may_differ(asker) or asker == own for asker in package.required_by
            )
        }
        if not more:
            return frozenset(allowed)
        allowed |= more


def _askers(package: LockedPackage) -> str:
    return "asked for by " + ", ".join(f"`{asker.removeprefix('-r ')}`" for asker in package.required_by)
