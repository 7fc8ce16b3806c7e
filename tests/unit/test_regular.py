"""Files of others: what is no regular file is not waited for, not followed, and not read without end."""

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlimage.regular import (
    UnfitFileError,
    listing,
    opened,
    opened_below,
    opened_inside,
    pieces,
    read_file,
    read_inside,
    shown_limit,
)
from support.unfit import put, watchdog

LIMIT = 1 << 20
WHY = {
    "endless": "it is a symbolic link, not a regular file",
    "link": "it is a symbolic link, not a regular file",
    "pipe": "it is a named pipe, not a regular file",
    "sparse": "it is larger than 1 MiB",
    "folder": "Is a directory",
}
FOLLOWED = {**WHY, "endless": "it is a device, not a regular file", "link": None}


@pytest.fixture(autouse=True)
def _watched() -> Iterator[None]:
    with watchdog():
        yield


def why(error: OSError) -> tuple[str | None, str]:
    return error.strerror, str(error.filename)


@pytest.mark.parametrize("kind", WHY)
def test_what_is_no_file(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "below" / "x"
    put(kind, path)
    with pytest.raises(OSError, match=WHY[kind]) as caught:
        read_file(path, LIMIT)
    assert why(caught.value) == (WHY[kind], str(path))
    with pytest.raises(OSError, match=WHY[kind]) as caught:
        read_inside(tmp_path, "below/x", LIMIT)
    assert why(caught.value) == (WHY[kind], "below/x")


@pytest.mark.parametrize("kind", FOLLOWED)
def test_what_is_no_file_though_links_are_followed(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "below" / "x"
    put(kind, path)
    if FOLLOWED[kind] is None:
        assert read_file(path, LIMIT, follow=True) == b"somebody else's\n"
        return
    with pytest.raises(OSError, match=FOLLOWED[kind]) as caught:
        read_file(path, LIMIT, follow=True)
    assert why(caught.value) == (FOLLOWED[kind], str(path))


def test_a_socket(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening, tempfile.TemporaryDirectory(dir="/tmp") as short:
        listening.bind(f"{short}/x")
        with pytest.raises(UnfitFileError) as caught:
            opened(Path(short, "x"))
    assert caught.value.strerror == "it is a socket, not a regular file"


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "x", LIMIT)
    with pytest.raises(FileNotFoundError):
        read_inside(tmp_path, "a/x", LIMIT)


@given(st.binary(max_size=64), st.integers(min_value=0, max_value=64))
def test_the_limit_is_the_last_size_that_is_read(content: bytes, limit: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x")
        path.write_bytes(content)
        if len(content) <= limit:
            assert read_file(path, limit) == content
        else:
            with pytest.raises(UnfitFileError) as caught:
                read_file(path, limit)
            assert caught.value.strerror == f"it is larger than {limit} bytes"


def test_a_file_without_a_size() -> None:
    """As those of /proc."""
    assert read_file(Path("/proc/self/status"), LIMIT).startswith(b"Name:")
    with pytest.raises(UnfitFileError):
        read_file(Path("/proc/self/status"), 10)


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/x", "", "a//b", ".", "./x", "x\0"])
def test_a_path_that_leads_out(path: str, tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    for read in (opened_inside, opened_below):
        with pytest.raises(UnfitFileError) as caught:
            read(root, path)
        assert why(caught.value) == ("its path leads out of the folder", path)


@pytest.mark.parametrize("kind", ["folder link", "pipe"])
def test_no_part_of_a_path_is_a_link(kind: str, tmp_path: Path) -> None:
    outside, root = tmp_path / "outside", tmp_path / "root"
    outside.mkdir()
    (outside / "x").write_text("secret")
    (root / "a").mkdir(parents=True)
    if kind == "pipe":
        os.mkfifo(root / "a" / "b")
    else:
        (root / "a" / "b").symlink_to(outside)
    with pytest.raises(UnfitFileError) as caught:
        opened_inside(root, "a/b/x")
    said = "a named pipe" if kind == "pipe" else "a symbolic link"
    assert why(caught.value) == (f"it is {said}, not a folder", "a/b")


def test_the_root_is_ours_and_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/x").write_text("x")
    (tmp_path / "root").symlink_to("real")
    assert read_inside(tmp_path / "root", "x", LIMIT) == b"x"
    with opened_below(tmp_path / "root", "x") as stream:
        assert stream.read() == b"x"


def test_links_that_stay_in_the_folder_are_followed_where_they_may_be(tmp_path: Path) -> None:
    root = tmp_path / "models"
    (root / "run").mkdir(parents=True)
    (root / "run/2026.joblib").write_text("model")
    (root / "latest.joblib").symlink_to("run/2026.joblib")
    (root / "current").symlink_to("run")
    (root / "out.joblib").symlink_to("../secret")
    (root / "away").symlink_to("/proc")
    (root / "round").symlink_to("round")
    (tmp_path / "secret").write_text("secret")
    for path in ("latest.joblib", "current/2026.joblib"):
        with opened_below(root, path) as stream:
            assert stream.read() == b"model"
    for path in ("out.joblib", "away/self/status"):
        with pytest.raises(UnfitFileError) as caught:
            opened_below(root, path)
        assert why(caught.value) == ("it is a link out of the folder", path)
    with pytest.raises(OSError, match="Too many levels"):
        opened_below(root, "round")


def test_a_listing(tmp_path: Path) -> None:
    folder = tmp_path / "record"
    (folder / "b/empty").mkdir(parents=True)
    (folder / "b/x").write_text("1")
    (folder / "a").write_text("22")
    assert listing(tmp_path, "record", most=4) == {"a": 2, "b/x": 1}
    with pytest.raises(UnfitFileError) as caught:
        listing(tmp_path, "record", most=3)
    assert why(caught.value) == ("it has more than 3 files", "record")
    with pytest.raises(FileNotFoundError):
        listing(tmp_path, "none", most=3)


@pytest.mark.parametrize("kind", ["endless", "link", "pipe"])
def test_a_listing_has_files_alone(kind: str, tmp_path: Path) -> None:
    put(kind, tmp_path / "record/cases/x")
    with pytest.raises(UnfitFileError) as caught:
        listing(tmp_path, "record", most=10)
    assert why(caught.value) == (WHY[kind], "record/cases/x")


def test_a_listing_that_goes_too_deep(tmp_path: Path) -> None:
    (tmp_path / "record" / Path(*["d"] * 100)).mkdir(parents=True)
    with pytest.raises(UnfitFileError) as caught:
        listing(tmp_path, "record", most=1000)
    assert caught.value.strerror == "it has more than 32 levels of folders"


def test_a_link_in_place_of_the_listed_folder(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "record").symlink_to("outside")
    with pytest.raises(UnfitFileError) as caught:
        listing(tmp_path, "record", most=10)
    assert why(caught.value) == ("it is a symbolic link, not a folder", "record")


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"0" * (3 << 20))
    with opened(path) as stream:
        assert b"".join(pieces(stream, path)) == path.read_bytes()
    for size in (4 << 20, 1 << 20):
        path.write_bytes(b"0" * (3 << 20))
        with opened(path) as stream:
            left = pieces(stream, path)
            next(left)
            os.truncate(path, size)
            with pytest.raises(UnfitFileError) as caught:
                list(left)
        assert caught.value.strerror == "it changed while it was read"


def test_limits_for_people() -> None:
    assert [shown_limit(limit) for limit in (64 << 20, 1_000_000, (1 << 20) + 1)] == [
        "64 MiB",
        "1,000,000 bytes",
        "1,048,577 bytes",
    ]
