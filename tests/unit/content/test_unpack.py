"""Writing entries to a folder: exactly what they say, and never outside."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlimage.content.entry import MTIME, Entry, Kind, directory, file_of_bytes, symlink
from mlimage.content.unpack import write_entries
from mlimage.errors import BuildError


@contextmanager
def _umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def test_files_folders_and_links(tmp_path: Path) -> None:
    entries = [
        directory("a", origin="x", mode=0o750),
        directory("a/closed", origin="x", mode=0o500),
        file_of_bytes("a/closed/file", b"content", origin="x", mode=0o640),
        symlink("a/link", "closed/file", origin="x"),
        symlink("a/outside", "/etc/passwd", origin="x"),
    ]
    with _umask(0o077):
        write_entries(entries, tmp_path)
    assert (tmp_path / "a/link").read_bytes() == b"content"
    assert (tmp_path / "a/outside").readlink() == Path("/etc/passwd")
    modes = [(tmp_path / path).lstat().st_mode & 0o7777 for path in ("a", "a/closed", "a/closed/file")]
    assert modes == [0o750, 0o500, 0o640]
    assert {(tmp_path / entry.path).lstat().st_mtime for entry in entries} == {MTIME}


@pytest.mark.parametrize("target", ["/", "..", "../outside"])
def test_nothing_is_written_through_a_link(tmp_path: Path, target: str) -> None:
    (tmp_path / "outside").mkdir()
    root = tmp_path / "root"
    root.mkdir()
    entries = [symlink("link", target, origin="evil 1"), file_of_bytes("link/file", b"x", origin="evil 1")]
    with pytest.raises(BuildError) as caught:
        write_entries(entries, root)
    assert str(caught.value) == "`evil 1` writes `/link/file`, whose folder is missing or no folder"
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_link_in_the_place_of_a_folder_is_not_entered(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    root = tmp_path / "root"
    root.mkdir()
    (root / "etc").symlink_to(tmp_path / "outside")
    with pytest.raises(BuildError) as caught:
        write_entries([directory("etc", origin="x"), file_of_bytes("etc/file", b"x", origin="x")], root)
    assert str(caught.value) == "`x` writes `/etc`, whose folder is missing or no folder"
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(BuildError) as caught:
        write_entries([file_of_bytes("file", b"theirs", origin="x")], tmp_path)
    assert str(caught.value) == "`x` writes `/file`, where something is already"
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("path", ["../file", "a/../file", "/file", "", "a//b", "./a"])
def test_paths_that_are_none(tmp_path: Path, path: str) -> None:
    with pytest.raises(BuildError) as caught:
        write_entries([file_of_bytes(path, b"x", origin="x")], tmp_path)
    assert str(caught.value) == f"`x` has the path `{path}`, which could lead outside the image"


def test_a_file_of_another_size(tmp_path: Path) -> None:
    whole = file_of_bytes("file", b"content", origin="x")
    entry = Entry(path="file", kind=Kind.FILE, mode=0o644, origin="x", size=9, open=whole.open)
    with pytest.raises(BuildError) as caught:
        write_entries([entry], tmp_path)
    assert str(caught.value) == "`/file` of `x` has 7 bytes instead of 9"


@pytest.mark.root
def test_owners_and_set_user_id_bits_as_root(tmp_path: Path) -> None:
    assert os.geteuid() == 0, "run this test as root"
    entries = [
        directory("home", origin="x", uid=65532, gid=65532, mode=0o700),
        file_of_bytes("home/su", b"", origin="x", mode=0o4755, gid=42),
    ]
    write_entries(entries, tmp_path)
    found = [(tmp_path / entry.path).stat() for entry in entries]
    assert [(s.st_uid, s.st_gid, s.st_mode & 0o7777) for s in found] == [
        (65532, 65532, 0o700),
        (0, 42, 0o4755),
    ]
