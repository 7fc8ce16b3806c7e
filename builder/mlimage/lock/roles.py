"""Which packages of a lock a role needs: what leads to it from the requirements of the spec. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mlimage.lock.model import Lock, LockedPackage
from mlimage.spec.tags import ROLES, RoleName


def packages_of(lock: Lock, role: RoleName | None) -> tuple[LockedPackage, ...]:
    """The packages of the image for a role, in order of their names; those of all roles for None.

    A package that somebody asks for without a role is in the image of each, with all that it needs. What is
    in an image of one role only, no requirement but that role's leads to.
    """
    if role is None:
        return lock.packages
    roles = roles_of(lock)
    return tuple(package for package in lock.packages if role in roles[package.name])


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPackages:
    """What the image of one role has and that of the other has not.

    Attributes:
        role: the role.
        names: names of the packages.
        most: how many packages a role has alone, of that with the most.
    """

    role: RoleName
    names: frozenset[str]
    most: int


def own_packages(lock: Lock, role: RoleName) -> OwnPackages:
    """What only this role has of a lock."""
    alone = {
        each: frozenset(name for name, roles in roles_of(lock).items() if roles == {each}) for each in ROLES
    }
    return OwnPackages(role=role, names=alone[role], most=max(map(len, alone.values())))


def roles_of(lock: Lock) -> Mapping[str, frozenset[RoleName]]:
    """The roles whose image has each package, by name of the package."""
    needs: dict[str, set[str]] = {package.name: set() for package in lock.packages}
    asked: dict[str, set[str]] = {}
    for package in lock.packages:
        for asker in package.required_by:
            (needs[asker] if asker in needs else asked.setdefault(asker, set())).add(package.name)
    of_role = {f"-r {role}.dependencies": role for role in ROLES}
    reached: dict[str, set[RoleName]] = {name: set() for name in needs}
    for place, names in asked.items():
        for name in _reached(names, needs):
            reached[name] |= {of_role[place]} if place in of_role else set(ROLES)
    # What nobody is known to ask for is left out of no image, nor is what it needs.
    for name in _reached([name for name, roles in reached.items() if not roles], needs):
        reached[name] |= set(ROLES)
    return {name: frozenset(roles) for name, roles in reached.items()}


def _reached(names: Iterable[str], needs: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += needs[name]
    return found
