"""The table of what a new lock changes."""

from dataclasses import replace

from mlimage.lock.changes import Change, changes
from support import locks


def test_a_first_lock_adds_everything() -> None:
    found = changes(None, locks.lock([locks.package("numpy")]), notes={})
    assert [(change.kind, change.name, change.what) for change in found] == [
        ("deb", "libc6", "added"),
        ("deb", "libpython3.11-minimal", "added"),
        ("deb", "python3.11-minimal", "added"),
        ("wheel", "numpy", "added"),
    ]


def test_nothing_changed() -> None:
    lock = locks.lock([locks.package("numpy")])
    assert changes(lock, lock, notes={}) == ()


def test_moved_added_removed_and_noted() -> None:
    old = locks.lock([locks.package("numpy", "1.0", size=100), locks.package("scipy"), locks.package("six")])
    new = locks.lock([
        locks.package("numpy", "1.1", size=90), locks.package("pandas", size=5), locks.package("six"),
    ])  # fmt: skip
    assert changes(old, new, notes={"six": "yanked: broken"}) == (
        Change(kind="wheel", name="numpy", old="1.0", new="1.1", size=-10),
        Change(kind="wheel", name="pandas", old=None, new="1.0", size=5),
        Change(kind="wheel", name="scipy", old="1.0", new=None, size=-10_000),
        Change(kind="wheel", name="six", old="1.0", new="1.0", size=0, note="yanked: broken"),
    )


def test_other_bytes_under_the_same_version_are_named() -> None:
    package = locks.package("numpy")
    other = replace(package, sha256=locks.digest_of("evil"), hashes=(locks.digest_of("evil"),))
    [change] = changes(locks.lock([package]), locks.lock([other]), notes={})
    assert (change.what, change.note) == ("same version", "other files than before")


def test_debs_are_compared_too() -> None:
    old, new = locks.lock(), locks.lock()
    new = replace(new, base=replace(new.base, debs=(locks.deb("libc6", "2.0-1"), *new.base.debs[1:])))
    [change] = changes(old, new, notes={})
    assert (change.kind, change.name, change.old, change.new) == ("deb", "libc6", "1.0-1", "2.0-1")


def test_an_image_is_one_thing() -> None:
    lock = locks.lock()
    old = locks.on_image(lock, locks.image_base("debian", "python"))
    new = locks.on_image(
        lock, replace(locks.image_base("debian", "newer python"), manifest=locks.digest_of("new"))
    )
    assert changes(old, old, notes={}) == ()
    assert changes(old, new, notes={}) == (
        Change(
            kind="image",
            name="library/python",
            old=locks.digest_of("manifest").short,
            new=locks.digest_of("new").short,
            size=6,
        ),
    )
