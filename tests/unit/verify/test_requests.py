"""Which requests a golden record is computed for: the user's, and what training kept, each read once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mlimage.errors import UsageError
from mlimage.verify.requests import Request, requests_in
from support.unfit import put, watchdog

SHOWN = "images/x/golden"


@pytest.fixture(autouse=True)
def _watched() -> Iterator[None]:
    with watchdog():
        yield


def names(chosen: Path, trained: Path) -> list[str]:
    return [request.name for request in requests_in(chosen, trained, shown=SHOWN)]


def refused(chosen: Path, trained: Path) -> tuple[str, str | None]:
    with pytest.raises(UsageError) as caught:
        requests_in(chosen, trained, shown=SHOWN)
    return caught.value.message, caught.value.hint


def test_requests_are_files(tmp_path: Path) -> None:
    for name in ("b.json", "a.csv", ".hidden"):
        (tmp_path / name).write_text(name)
    (tmp_path / "folder").mkdir()
    assert requests_in(tmp_path, tmp_path / "none", shown=SHOWN) == (
        Request(name="a.csv", content=b"a.csv"),
        Request(name="b.json", content=b"b.json"),
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("empty", "`images/x/golden` has no requests"),
        ("absent", "`images/x/golden`: no such file or directory"),
    ],
)
def test_no_requests(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    assert refused(tmp_path / name, tmp_path / "none") == (
        message,
        "put requests there, a file each: `zero.json`, `empty.csv`",
    )


def test_requests_that_training_kept(tmp_path: Path) -> None:
    chosen, kept = tmp_path / "chosen", tmp_path / "kept"
    kept.mkdir()
    (kept / "undecided.json").touch()
    assert names(chosen, kept) == ["undecided.json"]
    chosen.mkdir()
    (chosen / "zero.json").touch()
    (chosen / "a.json").touch()
    assert names(chosen, kept) == ["a.json", "undecided.json", "zero.json"]
    (kept / "zero.json").touch()
    assert refused(chosen, kept) == (
        "`images/x/golden` has a request `zero.json`, and training kept one of that name",
        "give one of them another name",
    )


def test_the_users_own_may_be_links(tmp_path: Path) -> None:
    put("link", tmp_path / "chosen/x.json")
    [found] = requests_in(tmp_path / "chosen", tmp_path / "none", shown=SHOWN)
    assert found == Request(name="x.json", content=b"somebody else's\n")


@pytest.mark.parametrize(
    ("kind", "chosen", "trained"),
    [
        ("link", None, "it is a symbolic link, not a regular file"),
        ("endless", "it is a device, not a regular file", "it is a symbolic link, not a regular file"),
        ("pipe", "it is a named pipe, not a regular file", "it is a named pipe, not a regular file"),
        ("sparse", "it is larger than 256 MiB", "it is larger than 256 MiB"),
    ],
)
def test_what_is_no_file(kind: str, chosen: str | None, trained: str, tmp_path: Path) -> None:
    """What training kept, the image wrote: a link leads to a file of this machine, which no image may see."""
    hint = "remove it, or put a file there"
    own, kept = tmp_path / "own/x.json", tmp_path / "models/cases/x.json"
    put(kind, kept)
    assert refused(tmp_path / "none", kept.parent) == (
        f"the request `{kept}` cannot be read: {trained}",
        hint,
    )
    put(kind, own)
    if chosen is not None:
        assert refused(own.parent, tmp_path / "none") == (
            f"the request `{own}` cannot be read: {chosen}",
            hint,
        )


def test_a_folder_of_training_that_is_a_link(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models/cases").symlink_to("/etc")
    assert refused(tmp_path / "none", tmp_path / "models/cases") == (
        f"the request `{tmp_path}/models/cases` cannot be read: it is not a folder",
        "remove it, or put a file there",
    )
