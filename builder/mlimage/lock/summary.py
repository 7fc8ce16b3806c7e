"""What a person wants to know of a lock that was not there before: a list of its packages is too long."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from mlimage.lock.model import Lock, LockedPackage

_FROM_SPEC: Final = "-r "
"""How the places of a spec begin among those who ask for a package."""
_LARGEST: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The packages of a lock in a few numbers.

    Attributes:
        asked: how many the spec asks for.
        needed: how many more those need.
        largest: the largest of them, the first one first.
        shared: how many are the very files of `like`.
        like: the lock of the image that has most of them; None where there is no other.
    """

    asked: int
    needed: int
    largest: tuple[LockedPackage, ...]
    shared: int
    like: Lock | None


def summary(lock: Lock, others: Collection[Lock] = ()) -> Summary:
    """Sum up the packages of a lock.

    Args:
        lock: which.
        others: locks of the same image.
    """
    asked = sum(any(asker.startswith(_FROM_SPEC) for asker in each.required_by) for each in lock.packages)
    own = {package.sha256 for package in lock.packages}

    def shared(other: Lock) -> int:
        return len(own.intersection(package.sha256 for package in other.packages))

    like = max(others, key=shared, default=None)
    return Summary(
        asked=asked,
        needed=len(lock.packages) - asked,
        largest=tuple(sorted(lock.packages, key=lambda each: (-each.size, each.name))[:_LARGEST]),
        shared=shared(like) if like else 0,
        like=like,
    )
