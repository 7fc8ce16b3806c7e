"""Where data is, by name and surrounding."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlimage.runtime.failure import StartError
from mlimage.runtime.places import CHOICE, chosen_places, data_variable, data_variables

PLACES = {
    "events": {"local": "data/events", "cloud": "s3://acme/events"},
    "users": {"cloud": "file:///mnt/users", "lab": "/mnt/users"},
}
NAMES = ("events", "old-users", "users")


@pytest.mark.parametrize(
    ("choice", "events", "users"),
    [
        (None, "/data/events", "/data/users"),
        ("", "/data/events", "/data/users"),
        ("cloud", "s3://acme/events", "file:///mnt/users"),
    ],
)
def test_variables(choice: str | None, events: str, users: str) -> None:
    assert data_variables(NAMES, PLACES, choice) == {
        "MLIMAGE_DATA_EVENTS": events,
        "MLIMAGE_DATA_OLD_USERS": "/data/old-users",
        "MLIMAGE_DATA_USERS": users,
    }


def test_an_address_may_be_the_usual_place() -> None:
    assert data_variables(("a",), {"a": {"local": "https://example.com/a"}}, None) == {
        "MLIMAGE_DATA_A": "https://example.com/a"
    }


def test_what_has_no_such_place() -> None:
    with pytest.raises(StartError) as caught:
        chosen_places(PLACES, "lab")
    assert (caught.value.message, caught.value.status) == (
        "the data `events` has no place `lab`; it has `local`, `cloud`",
        78,
    )
    assert chosen_places({}, "lab") == {}
    assert chosen_places(PLACES, None) == {"events": "data/events"}


@given(st.text(max_size=20))
def test_data_variables_are_names_of_variables(name: str) -> None:
    variable = data_variable(name)
    assert variable.startswith("MLIMAGE_DATA_")
    assert variable.replace("_", "a").isalnum()
    assert variable.isascii()


@given(st.from_regex(r"[a-z][a-z0-9]*(?:[_-][a-z0-9]+)*", fullmatch=True))
def test_no_data_has_the_variable_that_chooses(name: str) -> None:
    assert data_variable(name) != CHOICE
