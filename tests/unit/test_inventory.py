"""A tree that was changed since it was written is noticed, at a look or by reading it."""

import os
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlimage.inventory import (
    Noted,
    change_at_a_look,
    changes,
    read_inventory,
    take_inventory,
    write_inventory,
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small tree, and beside it its inventory."""
    top = tmp_path / "top"
    for path, content in (("app/train.py", b"print()"), ("usr/lib/large.so", bytes(100)), ("usr/x", b"x")):
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_bytes(content)
        os.utime(top / path, (0, 0))
    (top / "usr/link").symlink_to("x")
    os.link(top / "usr/x", top / "usr/hard")
    (top / os.fsdecode(b"odd\xff\n")).write_bytes(b"")
    write_inventory(tmp_path / "noted", take_inventory(top), first=("app/",))
    return top


def noted(tree: Path) -> Path:
    return tree.with_name("noted")


def seen(tree: Path, *, deep: bool = False) -> list[str]:
    found = changes(tree, noted(tree), deep=deep)
    assert found is not None
    return sorted(found)


def rewrite(path: Path) -> None:
    """Other bytes, and all that `stat` tells is as before, but for the time that nobody can set."""
    times = path.stat()
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_a_tree_that_is_as_it_was(tree: Path) -> None:
    assert (seen(tree), seen(tree, deep=True), change_at_a_look(tree, noted(tree))) == ([], [], None)
    assert read_inventory(noted(tree)) == take_inventory(tree)


def test_what_a_run_makes_for_its_mounts_is_no_change(tree: Path) -> None:
    (tree / "opt/ml/input").mkdir(parents=True)
    (tree / "etc").mkdir()
    (tree / "etc/hosts").write_bytes(b"")
    assert (seen(tree), seen(tree, deep=True)) == ([], [])
    (tree / "etc/hosts").write_bytes(b"1")
    (tree / "etc/passwd").write_bytes(b"")
    assert seen(tree) == ["`/etc/hosts` was added", "`/etc/passwd` was added"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda top: (top / "app/train.py").write_bytes(b"print("), ["`/app/train.py` was changed"]),
        (lambda top: rewrite(top / "app/train.py"), ["`/app/train.py` was changed"]),
        (lambda top: (top / "app/train.py").chmod(0o755), ["`/app/train.py` was changed"]),
        (lambda top: os.utime(top / "app/train.py"), ["`/app/train.py` was changed"]),
        (lambda top: (top / "app/train.py").unlink(), ["`/app/train.py` is missing"]),
        (lambda top: rewrite(top / "usr/x"), ["`/usr/hard` was changed", "`/usr/x` was changed"]),
        (lambda top: (top / "app/new.py").write_bytes(b""), ["`/app/new.py` was added"]),
        (lambda top: (top / "usr").chmod(0o700), ["`/usr` was changed"]),
        (
            lambda top: ((top / "usr/link").unlink(), (top / "usr/link").symlink_to("y")),
            ["`/usr/link` was changed"],
        ),
        (
            lambda top: ((top / "usr/x").unlink(), (top / "usr/x").symlink_to("hard")),
            ["`/usr/x` was changed"],
        ),
        (lambda top: (top / "app").rename(top / "apq"), ["`/app/train.py` is missing", "`/app` is missing"]),
    ],
)
def test_a_change_is_noticed(change: Callable[[Path], object], said: list[str], tree: Path) -> None:
    change(tree)
    found = [each for each in seen(tree) if "apq" not in each]
    assert sorted(found) == sorted(said)


def test_what_rots_is_found_by_reading(tree: Path) -> None:
    """Nobody touched the file: only its bytes are others."""
    rewrite(tree / "app/train.py")
    later = (tree / "app/train.py").stat().st_ctime_ns + 1
    os.utime(noted(tree), ns=(later, later))
    assert (seen(tree), seen(tree, deep=True)) == ([], ["`/app/train.py` was changed"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda top: (top / "app/train.py").write_bytes(b"1"), "`/app/train.py` was changed"),
        (lambda top: (top / "usr/lib/large.so").unlink(), "`/usr/lib/large.so` is missing"),
        (lambda top: noted(top).unlink(), "it has no inventory"),
        (lambda top: noted(top).write_bytes(b"{}"), "it has no inventory"),
        (lambda top: noted(top).write_bytes(b'{"format": 0}\n'), "its inventory is of another mlimage"),
    ],
)
def test_a_look(change: Callable[[Path], object], said: str, tree: Path) -> None:
    change(tree)
    assert change_at_a_look(tree, noted(tree)) == said


def test_the_application_is_looked_at_first(tmp_path: Path) -> None:
    (tmp_path / "top/app").mkdir(parents=True)
    for number in range(300):
        (tmp_path / f"top/{number}").write_bytes(bytes(100 + number))
    (tmp_path / "top/app/train.py").write_bytes(b"1")
    write_inventory(tmp_path / "noted", take_inventory(tmp_path / "top"), first=("app/",))
    (tmp_path / "top/0").write_bytes(b"")
    assert change_at_a_look(tmp_path / "top", tmp_path / "noted") is None, "too small to be looked at"
    (tmp_path / "top/app/train.py").write_bytes(b"")
    assert change_at_a_look(tmp_path / "top", tmp_path / "noted") == "`/app/train.py` was changed"


@pytest.mark.parametrize("content", [b"", b"\n", b"{}\nx", b"{}\n" + zlib.compress(b"[]")])
def test_a_damaged_inventory_is_none(content: bytes, tree: Path) -> None:
    noted(tree).write_bytes(content)
    assert (read_inventory(noted(tree)), changes(tree, noted(tree), deep=False)) == (None, None)


NOTED = st.builds(
    Noted, st.sampled_from(["file", "folder", "link"]), st.integers(0, 0o7777), st.integers(0, 2**60),
    st.integers(-(2**62), 2**62), st.just("0" * 64),
)  # fmt: skip


@settings(max_examples=50)
@given(inventory=st.dictionaries(st.binary(min_size=1, max_size=40).map(os.fsdecode), NOTED, max_size=20))
def test_what_is_written_is_read(
    inventory: dict[str, Noted], tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("noted") / "noted"
    write_inventory(file, inventory)
    assert read_inventory(file) == inventory
