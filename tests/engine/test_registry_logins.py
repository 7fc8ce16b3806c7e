"""A registry that wants a login: it is found where Docker finds it, and else the error says so."""

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mlimage.cache import Cache
from support.registries import PASSWORD, USER, OwnRegistry, own_registry
from support.steps import Steps

Way = Callable[[Path, str], dict[str, str]]

pytestmark = [pytest.mark.network, pytest.mark.engine]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnRegistry]:
    with own_registry(tmp_path_factory.mktemp("registry") / "own", login=True) as made:
        yield made


def auth(password: str = PASSWORD) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{USER}:{password}".encode()).decode()}


def in_a_file(folder: Path, host: str) -> dict[str, str]:
    (folder / "config.json").write_text(json.dumps({"auths": {host: auth()}}))
    return {}


def in_a_helper(folder: Path, host: str) -> dict[str, str]:
    """A program that has it for this registry alone."""
    (folder / "config.json").write_text(json.dumps({"credHelpers": {host: "of-a-test"}}))
    program = folder / "docker-credential-of-a-test"
    said = json.dumps({"Username": USER, "Secret": PASSWORD})
    program.write_text(f"#!/bin/sh\nread host\n[ \"$1 $host\" = 'get {host}' ] && echo '{said}'\n")
    program.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


def in_a_variable(folder: Path, host: str) -> dict[str, str]:
    return {"DOCKER_AUTH_CONFIG": json.dumps({"auths": {host: auth()}})}


def in_a_variable_in_the_clear(folder: Path, host: str) -> dict[str, str]:
    """As CI systems can write it, which cannot encode."""
    said = {"auths": {host: {"username": USER, "password": PASSWORD}}}
    return {"DOCKER_AUTH_CONFIG": json.dumps(said)}


@pytest.fixture
def person(built_steps: Steps, tmp_path: Path) -> Steps:
    """Somebody without any login."""
    (tmp_path / "docker").mkdir()
    return built_steps.with_environ(DOCKER_CONFIG=str(tmp_path / "docker"), DOCKER_AUTH_CONFIG="")


@pytest.mark.parametrize("way", [in_a_file, in_a_helper, in_a_variable, in_a_variable_in_the_clear])
def test_the_login_is_found(way: Way, registry: OwnRegistry, person: Steps, tmp_path: Path) -> None:
    name = way.__name__.replace("_", "-")
    known = person.with_environ(**way(tmp_path / "docker", registry.host))
    done = known.run("push", "--to", f"{registry.host}/{name}", "--tag", "latest", "--json")
    assert done.returncode == 0, done.stderr
    [pushed] = json.loads(done.stdout)
    assert registry.tags(f"{name}/steps") == sorted(pushed["tags"])
    laptop = replace(known, cache=Cache(tmp_path / "laptop"))
    done = laptop.run("pull", f"{registry.host}/{name}/steps:latest", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["name"] == "steps:cpu"
    assert PASSWORD not in done.stdout + done.stderr


def not_given(registry: OwnRegistry, who: str) -> str:
    return (
        f"error: `{registry.host}` does not give `team/steps:latest` {who} (HTTP 401): "
        "authentication required\n"
        f"hint: is the name right? where it is not public: `docker login {registry.host}`\n"
    )


def test_a_wrong_password(registry: OwnRegistry, person: Steps) -> None:
    said = json.dumps({"auths": {registry.host: auth("wrong")}})
    wrong = person.with_environ(DOCKER_AUTH_CONFIG=said)
    done = wrong.run("pull", f"{registry.host}/team/steps:latest")
    assert (done.returncode, done.stdout) == (9, "")
    assert done.stderr == not_given(registry, "to `anna`")
    done = wrong.run("push", "--to", f"{registry.host}/team")
    first, hint = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (9, "")
    assert first.startswith(f"error: `{registry.host}` does not take `team/steps:")
    assert first.endswith("` from `anna` (HTTP 401)")
    assert hint == f"hint: `docker login {registry.host}`, with a login that may push"
    assert registry.tags("team/steps") == []


def test_no_login(registry: OwnRegistry, person: Steps) -> None:
    done = person.run("push", "--to", f"{registry.host}/team")
    first, hint = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (9, "")
    assert first.startswith(f"error: `{registry.host}` does not take `team/steps:")
    assert first.endswith("` without a login (HTTP 401)")
    assert hint == f"hint: `docker login {registry.host}`, with a login that may push"
    done = person.run("pull", f"{registry.host}/team/steps:latest")
    assert (done.returncode, done.stderr) == (9, not_given(registry, "without a login"))
