"""The logins that Docker's configuration and its helpers have."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlimage.errors import UsageError
from mlimage.oci.login import Login, Logins
from mlimage.process import Command, Completed

ANNA = Login(user="anna", password="s3cret:x")  # noqa: S106 - nobody's
AUTH = {"auth": base64.b64encode(b"anna:s3cret:x").decode()}


@dataclass
class Helper:
    """Credential helpers that answer by the name of the program; others are not there."""

    answers: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    asked: list[tuple[str, bytes | None]] = field(default_factory=list)

    def __call__(self, command: Command) -> Completed:
        self.asked.append((" ".join(command.argv), command.stdin))
        if command.argv[0] not in self.answers:
            raise FileNotFoundError(command.argv[0])
        status, text = self.answers[command.argv[0]]
        return Completed(command=command, status=status, stdout=text.encode(), stderr=b"")


NONE = Helper()
NOT_JSON = "cannot be read: the document is not JSON:"


def logins(folder: Path, config: Mapping[str, Any] | str, helper: Helper = NONE) -> Logins:
    (folder / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    return Logins({"DOCKER_CONFIG": str(folder)}, run=helper)


@pytest.mark.parametrize(
    ("registry", "key"),
    [
        ("docker.io", "https://index.docker.io/v1/"),
        ("docker.io", "docker.io"),
        ("r.example:5000", "r.example:5000"),
        ("r.example", "https://r.example/v2/"),
        ("r.example", "http://R.example"),
    ],
)
def test_one_that_is_written_there(registry: str, key: str, tmp_path: Path) -> None:
    assert logins(tmp_path, {"auths": {"other": {}, key: AUTH}}).of(registry) == ANNA


def test_in_the_home_folder(tmp_path: Path) -> None:
    (tmp_path / ".docker").mkdir()
    logins(tmp_path / ".docker", {"auths": {"r": {"username": "anna", "password": "s3cret:x"}}})
    assert Logins({"HOME": str(tmp_path)}, run=NONE).of("r") == ANNA


@pytest.mark.parametrize(
    "config", [{}, {"auths": {"other.example": AUTH}}, {"auths": {"r": {}}}, {"auths": []}, "[]"]
)
def test_none(config: Mapping[str, Any] | str, tmp_path: Path) -> None:
    assert logins(tmp_path, config).of("r") is None


def test_no_configuration(tmp_path: Path) -> None:
    assert Logins({"HOME": str(tmp_path)}, run=NONE).of("r") is None


def test_a_helper_of_one_registry(tmp_path: Path) -> None:
    helper = Helper({"docker-credential-own": (0, '{"Username": "anna", "Secret": "s3cret:x"}')})
    config = {"credHelpers": {"r.example": "own"}, "credsStore": "all", "auths": {"r.example": AUTH}}
    assert logins(tmp_path, config, helper).of("r.example") == ANNA
    assert helper.asked == [("docker-credential-own get", b"r.example")]


def test_a_helper_of_all_registries(tmp_path: Path) -> None:
    helper = Helper({"docker-credential-all": (0, '{"Username": "anna", "Secret": "s3cret:x"}')})
    assert logins(tmp_path, {"credsStore": "all"}, helper).of("docker.io") == ANNA
    assert helper.asked == [("docker-credential-all get", b"https://index.docker.io/v1/")]


def test_a_helper_that_knows_none(tmp_path: Path) -> None:
    helper = Helper({"docker-credential-all": (1, "credentials not found in native keychain")})
    assert logins(tmp_path, {"credsStore": "all"}, helper).of("r") is None
    assert logins(tmp_path, {"credsStore": "all", "auths": {"r": AUTH}}, helper).of("r") == ANNA


@pytest.mark.parametrize(
    ("config", "message", "hint"),
    [
        (
            "{",
            f"{NOT_JSON} Expecting property name enclosed in double quotes at line 1 column 2",
            "`docker login` writes it",
        ),
        ({"credsStore": "../x"}, "`../x` is not the name of a credential helper", None),
        (
            {"credsStore": "desktop"},
            "the credential helper `docker-credential-desktop` is not on this machine",
            "install it, or remove it there and `docker login` anew",
        ),
        ({"credsStore": "broken"}, "`docker-credential-broken get` ended with status 2", None),
        (
            {"credsStore": "odd"},
            "`docker-credential-odd get` does not answer as credential helpers do: `Username` is missing",
            None,
        ),
        (
            {"auths": {"r": {"auth": "bm8gY29sb24="}}},
            "`auths.r.auth` is not `USER:PASSWORD` in base64",
            "`docker login r` writes it anew",
        ),
    ],
)
def test_one_that_cannot_be_used(
    config: Mapping[str, Any] | str, message: str, hint: str | None, tmp_path: Path
) -> None:
    helper = Helper({"docker-credential-broken": (2, "s3cret"), "docker-credential-odd": (0, "{}")})
    with pytest.raises(UsageError) as caught:
        logins(tmp_path, config, helper).of("r")
    error = caught.value
    assert (error.message, error.hint, error.where) == (message, hint, str(tmp_path / "config.json"))


def test_what_a_variable_says_goes_before_the_file(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"auths": {"r": {}, "other": AUTH}}))
    said = {"auths": {"r": {"username": "ben", "password": "p:w"}, "other.example": AUTH}}
    found = Logins({"DOCKER_CONFIG": str(tmp_path), "DOCKER_AUTH_CONFIG": json.dumps(said)}, run=NONE)
    assert found.of("r") == Login(user="ben", password="p:w")  # noqa: S106 - nobody's
    assert (found.of("other.example"), found.of("other"), found.of("third")) == (ANNA, ANNA, None)
    assert Logins({"DOCKER_CONFIG": str(tmp_path), "DOCKER_AUTH_CONFIG": ""}, run=NONE).of("other") == ANNA


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            '{"auths": s3cret',
            f"{NOT_JSON} Expecting value at line 1 column 11",
            'it is what `config.json` has: `{"auths": {"ghcr.io": {"auth": "…"}}}`',
        ),
        (
            '{"auths": {"r": {"auth": "s3cret"}}}',
            "`auths.r.auth` is not `USER:PASSWORD` in base64",
            "it may have `username` and `password` in its place",
        ),
    ],
)
def test_a_variable_that_cannot_be_used(text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        Logins({"DOCKER_AUTH_CONFIG": text}, run=NONE).of("r")
    error = caught.value
    assert (error.message, error.hint, error.where) == (message, hint, "DOCKER_AUTH_CONFIG")


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "config.json").mkdir()
    with pytest.raises(UsageError) as caught:
        Logins({"DOCKER_CONFIG": str(tmp_path)}, run=NONE).of("r")
    assert str(caught.value) == f"{tmp_path}/config.json: cannot be read: is a directory"


def test_an_identity_token(tmp_path: Path) -> None:
    token = Login(user="", password="t", identity=True)  # noqa: S106 - nobody's
    assert logins(tmp_path, {"auths": {"r": {"identitytoken": "t", "auth": AUTH["auth"]}}}).of("r") == token
    helper = Helper({"docker-credential-all": (0, '{"Username": "<token>", "Secret": "t"}')})
    assert logins(tmp_path, {"credsStore": "all"}, helper).of("r") == token


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12) | st.sampled_from(["own", AUTH["auth"]]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                [
                    "auths",
                    "credHelpers",
                    "credsStore",
                    "r",
                    "https://r/v2/",
                    "auth",
                    "identitytoken",
                    "username",
                    "password",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON, JSON)
def test_any_configuration_is_read_or_refused(config: object, answer: object) -> None:
    helper = Helper({"docker-credential-own": (0, json.dumps(answer))})
    with TemporaryDirectory() as folder:
        try:
            found = logins(Path(folder), json.dumps(config), helper).of("r")
        except UsageError:
            return
    assert found is None or isinstance(found, Login)


def test_a_password_is_never_shown() -> None:
    assert repr(ANNA) == "Login(user='anna', identity=False)"
