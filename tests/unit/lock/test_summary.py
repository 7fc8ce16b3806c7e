"""A first lock in a few numbers."""

from dataclasses import replace

from mlimage.lock.summary import summary
from support import locks


def test_of_a_lock() -> None:
    lock = locks.lock(
        [
            locks.package("app"),
            replace(locks.package("lib", size=20_000), required_by=("app",)),
            replace(locks.package("deep", size=5), required_by=("lib",)),
            replace(locks.package("both"), required_by=("-r requirements.txt", "app")),
        ]
    )
    found = summary(lock, [locks.lock([locks.package("app"), locks.package("lib", "2.0")])])
    assert (found.asked, found.needed, found.shared) == (2, 2, 1)
    assert [package.name for package in found.largest] == ["lib", "app", "both"]


def test_the_lock_that_is_named_has_what_is_counted() -> None:
    first, second = (locks.lock([locks.package(name) for name in names]) for names in ("a", "bcd"))
    found = summary(locks.lock([locks.package(name) for name in "abc"]), [first, second])
    assert found.shared == 2
    assert found.like is second


def test_of_no_packages() -> None:
    found = summary(locks.lock([]))
    assert (found.asked, found.needed, found.largest, found.shared) == (0, 0, (), 0)
