"""Trees of any shape are walked and deleted, and nothing outside of them is."""

import os
import shutil
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlimage.oci.survey import size_of
from mlimage.trees import Descent, remove_tree, walk

NAMES = st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=60)


def deep(top: Path, levels: int, name: str = "a") -> None:
    """Folders in folders, a file in the last one."""
    top.mkdir()
    at = os.open(top, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir(name, dir_fd=at)
        below = os.open(name, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=at))
    os.close(at)


@pytest.fixture(scope="module")
def memory() -> Iterator[Path]:
    """A folder where many thousands of folders are soon made, if this machine has one."""
    place = Path("/dev/shm")  # noqa: S108 - in a folder of its own
    with TemporaryDirectory(dir=place if os.access(place, os.W_OK) else None) as name:
        yield Path(name)


@contextmanager
def open_files() -> Iterator[None]:
    before = len(list(Path("/proc/self/fd").iterdir()))
    yield
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize(("levels", "name"), [(3000, "a"), (40, "n" * 255), (20_000, "b")])
def test_depth_and_length_do_not_matter(levels: int, name: str, memory: Path) -> None:
    deep(memory / "top", levels, name)
    with open_files():
        found = sum(1 for _ in walk(memory / "top"))
        assert (found, size_of(memory / "top")) == (levels + 1, 0)
        assert remove_tree(memory / "top") is None
    assert list(memory.iterdir()) == []


def test_links_are_deleted_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis").write_bytes(b"1")
    (tmp_path / "top/in").mkdir(parents=True)
    (tmp_path / "top/in/link").symlink_to(tmp_path / "mine")
    (tmp_path / "top/file").symlink_to(tmp_path / "mine/thesis")
    (tmp_path / "nowhere").symlink_to("nowhere")
    for name in ("top", "nowhere", "not there"):
        assert remove_tree(tmp_path / name) is None
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == [
        "mine",
        "mine/thesis",
    ]


def test_what_stays_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "top/in").mkdir(parents=True)
    for number in range(3):
        (tmp_path / f"top/in/{number}").write_bytes(b"")
    unlink = os.unlink

    def stubborn(name: str, *, dir_fd: int) -> None:
        if name != "1":
            raise PermissionError(1, "Operation not permitted", name)
        unlink(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", stubborn)
    left = remove_tree(tmp_path / "top")
    assert left is not None
    assert str(left) in {f"`in/{name}` (operation not permitted), and 1 more" for name in ("0", "2")}
    assert sorted(path.name for path in (tmp_path / "top/in").iterdir()) == ["0", "2"]


def test_a_folder_that_is_moved_away_meanwhile_leads_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "top/a/b").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    with Descent(tmp_path / "top") as at:
        at.enter("a")
        at.enter("b")
        (tmp_path / "top/a/b").rename(tmp_path / "other/b")
        with pytest.raises(OSError, match="it was moved meanwhile"):
            at.leave()
        assert at.path == "a"


def test_others_delete_and_write_meanwhile(tmp_path: Path) -> None:
    top = tmp_path / "top"
    for number in range(300):
        (top / f"{number % 7}/{number}").mkdir(parents=True)
        (top / f"{number % 7}/{number}/file").write_bytes(b"")
    others = [
        threading.Thread(target=remove_tree, args=(top,)),
        threading.Thread(target=shutil.rmtree, args=(top,), kwargs={"ignore_errors": True}),
    ]
    for other in others:
        other.start()
    remove_tree(top)
    for other in others:
        other.join()
    assert remove_tree(top) is None
    assert not top.exists()


@settings(max_examples=40)
@given(paths=st.lists(st.lists(NAMES, min_size=1, max_size=6), max_size=12))
def test_any_tree(paths: list[list[str]], memory: Path) -> None:
    top = memory / "top"
    top.mkdir()
    for number, parts in enumerate(paths):
        path = top.joinpath(*(f"{part}_" for part in parts))  # not `.` or `..`
        with suppress(OSError):  # a name of too many bytes, or a file in the way
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bytes(number))
    assert size_of(top) == sum(
        found.lstat().st_size for found in top.rglob("*") if not stat.S_ISDIR(found.lstat().st_mode)
    )
    assert remove_tree(top) is None
    assert list(memory.iterdir()) == []
