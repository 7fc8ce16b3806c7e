"""Where the data of a run is."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from mlimage.errors import UsageError
from mlimage.host.data import Data, find_data
from mlimage.runtime.roles import Roles
from support.running import ROLES

PLACES = {
    "events": {"local": "data/events", "cloud": "s3://acme/events"},
    "users": {"cloud": "s3://acme/users"},
}
PLACED: Roles = ROLES._replace(data=("events", "extra", "users"), places=PLACES)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """The folder of an image, with local data."""
    (tmp_path / "image/data/events").mkdir(parents=True)
    (tmp_path / "mine").mkdir()
    return tmp_path / "image"


def find(image: Path, *texts: str, role: str | None = "train", env: Mapping[str, str] | None = None) -> Data:
    return find_data(texts, PLACED, env or {}, role=role, folder=image)


def test_folders_of_the_spec_are_mounted_and_addresses_handed_on(image: Path) -> None:
    mine = image.parent / "mine"
    found = find(image, f"users={mine}", f"extra={mine}")
    assert found == Data(
        folders={"events": image / "data/events", "users": mine, "extra": mine},
        env={"MLIMAGE_DATA_EVENTS": "/data/events", "MLIMAGE_DATA_USERS": "/data/users"},
    )
    found = find(image, "cloud", f"extra={mine}")
    assert found == Data(
        folders={"extra": mine},
        env={
            "MLIMAGE_DATA": "cloud",
            "MLIMAGE_DATA_EVENTS": "s3://acme/events",
            "MLIMAGE_DATA_USERS": "s3://acme/users",
        },
    )
    assert find(image, f"extra={mine}", env={"MLIMAGE_DATA": "cloud"}) == found


def test_an_address_of_the_person(image: Path) -> None:
    found = find(image, "cloud", "events=gs://mine/events", "extra=https://example.com/x")
    assert (found.folders, found.env["MLIMAGE_DATA_EVENTS"], found.env["MLIMAGE_DATA_EXTRA"]) == (
        {},
        "gs://mine/events",
        "https://example.com/x",
    )


def test_a_variable_of_the_person_is_a_place(image: Path) -> None:
    env = {"MLIMAGE_DATA_USERS": "/mnt/u", "MLIMAGE_DATA_EXTRA": "/mnt/e"}
    assert find(image, env=env).folders == {"events": image / "data/events"}
    assert "MLIMAGE_DATA_USERS" not in find(image, env=env).env


def test_what_is_not_needed_need_not_be_there(image: Path) -> None:
    (image / "data/events").rmdir()
    assert find(image, role="serve") == Data(folders={}, env={})
    assert find(image, role=None).folders == {}


def test_data_with_a_place_in_the_application_may_be_a_file(image: Path) -> None:
    file = image / "data/events/rows.csv"
    file.touch()
    places = {"events": {"local": "data/events/rows.csv"}}
    roles = ROLES._replace(data=("events",), places=places, links={"rows.csv": "/data/events"})
    for role in ("train", "serve", None):
        assert find_data((), roles, {}, role=role, folder=image).folders == {"events": file}
    file.unlink()
    assert find_data((), roles, {}, role="serve", folder=image).folders == {}
    with pytest.raises(UsageError, match=r"cannot use `.*rows.csv`: no such file or directory") as caught:
        find_data((), roles, {}, role="train", folder=image)
    assert caught.value.hint == "put it there, or say where it is: --data events=PATH"


@pytest.mark.parametrize(
    ("texts", "message", "hint"),
    [
        (
            (),
            "`train` reads data that is not given: `extra`, `users`",
            "give its folder: --data extra=FOLDER --data users=FOLDER",
        ),
        (
            ("local",),
            "the data `users` has no place `local`; it has `cloud`",
            "`--data NAME=FOLDER` gives a place for one run",
        ),
        (
            ("local", "cloud"),
            "--data: `local` and `cloud` are two surroundings",
            "a run has one of them",
        ),
        (("clowd",), "--data: `clowd` names no folder", "write NAME=FOLDER"),
    ],
)
def test_what_cannot_be(image: Path, texts: tuple[str, ...], message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        find(image, *texts)
    assert (str(caught.value), caught.value.hint) == (message, hint)


def test_a_local_folder_that_is_not_there(image: Path) -> None:
    (image / "data/events").rmdir()
    with pytest.raises(UsageError) as caught:
        find(image, "extra=/", "users=/")
    assert str(caught.value) == (
        f"data `events`: cannot use `{image}/data/events`: no such file or directory"
    )
    assert caught.value.hint == "give the folder that has it: --data events=FOLDER"
