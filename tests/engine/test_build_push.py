"""`build --push` and `--cache` with Debian's own registry, on machines that have nothing."""

import json
import os
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest

from mlimage.cache import Cache
from support.steps import Steps, project_of

pytestmark = [pytest.mark.network, pytest.mark.engine]

NOWHERE = "http://127.0.0.1:9/"
OFFLINE = {"PIP_INDEX_URL": NOWHERE, "MLIMAGE_MIRROR_DEBIAN": NOWHERE, "MLIMAGE_MIRROR_PYPI": NOWHERE}
OWN = ["runtime", "recipe", "app"]


@pytest.fixture
def project(locked_steps: Path, tmp_path: Path, warm_cache: Cache) -> Steps:
    """The small image without steps, recorded."""
    found = project_of(locked_steps, tmp_path / "project", warm_cache, os.environ)
    found.write()
    done = found.run("build", "--record")
    assert done.returncode == 0, done.stderr
    return found


def machine(project: Steps, place: Path) -> Steps:
    """One that has the project and nothing else, and reaches no index and no archive."""
    return replace(project, cache=Cache(place)).with_environ(**OFFLINE)


def result(project: Steps, *options: str) -> Any:
    done = project.run("build", "--json", *options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_on_a_fresh_machine_only_what_changed_is_made_and_sent(
    project: Steps, registry: str, tmp_path: Path
) -> None:
    to = f"{registry}/fresh-{token_hex(6)}"
    first = result(project, "--push", "--to", to)
    assert first["pushed"][0]["repository"] == f"{to}/steps"
    assert first["pushed"][0]["bytes"]["sent"] > 20_000_000
    (project.root / "images/steps/app/train.py").write_text("print('trained anew')\n")
    ci = machine(project, tmp_path / "ci")
    found = result(ci, "--push", "--to", to, "--tag", "latest")
    [built], [pushed] = found["built"], found["pushed"]
    assert [layer["name"] for layer in built["layers"] if layer["made"]] == OWN
    assert [layer["name"] for layer in built["layers"] if layer["here"]] == OWN
    assert 0 < pushed["bytes"]["sent"] < 20_000
    assert sum(path.stat().st_size for path in ci.cache.root.rglob("*") if path.is_file()) < 200_000
    assert json.loads(ci.run("inspect", "--json").stdout) == []  # nobody could run it here
    said = ci.run("build", "--push", "--to", to).stdout.splitlines()
    assert said[0] == "steps:cpu"
    assert "; nothing changed; " in said[3]
    assert " stayed in the registry, " in said[3]
    assert said[4] == "  here      not all of it: `mlimage pull` brings the rest"
    # It is the image that a machine with everything makes, and whoever pulls it gets all of it.
    assert result(project)[0]["digest"] == built["digest"]
    laptop = machine(project, tmp_path / "laptop")
    done = laptop.run("pull", f"{to}/steps:latest", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["digest"] == built["digest"]


def test_a_cache_of_layers_stands_for_all_that_they_are_made_of(
    project: Steps, registry: str, tmp_path: Path
) -> None:
    cache = f"{registry}/cache-{token_hex(6)}"
    [before] = result(project, "--cache", cache)
    [built] = result(machine(project, tmp_path / "laptop"), "--cache", cache)
    assert built["digest"] == before["digest"]
    assert [layer["name"] for layer in built["layers"] if layer["made"]] == OWN
    assert all(layer["here"] for layer in built["layers"])
    # What goes to the same registry is mounted from the cache, and comes here not at all.
    ci = machine(project, tmp_path / "ci").with_environ(
        MLIMAGE_CACHE_REPO=cache, MLIMAGE_PUSH_TO=f"{registry}/other-{token_hex(6)}"
    )
    found = result(ci, "--push")
    assert found["built"][0]["digest"] == before["digest"]
    assert [layer["name"] for layer in found["built"][0]["layers"] if layer["here"]] == OWN
    # What no lock names is made here, the runtime too.
    assert found["pushed"][0]["bytes"]["sent"] < 200_000


def test_what_is_not_recorded_is_made(project: Steps, registry: str, tmp_path: Path) -> None:
    to = f"{registry}/unrecorded-{token_hex(6)}"
    result(project, "--push", "--to", to)
    (project.root / "lockfiles/steps/digests.toml").unlink()
    done = machine(project, tmp_path / "ci").run("build", "--push", "--to", to)
    assert done.returncode == 6
    assert "127.0.0.1" in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--push",), "missing option `--to`\nhint: write it as `--to ghcr.io/acme`, or set MLIMAGE_PUSH_TO"),
        (("--to", "ghcr.io/acme"), "`--to` is for what is pushed\nhint: add `--push`"),
        (("--tag", "latest"), "`--tag` is for what is pushed\nhint: add `--push`"),
        (("--sign", "cosign.key"), "`--sign` is for what is pushed\nhint: add `--push`"),
        (("--transparency-log",), "`--transparency-log` is about signatures\nhint: add `--sign KEY`"),
        (
            ("--cache", "localhost:5000"),
            (
                "--cache: `localhost:5000` names a registry, and no repository of it\n"
                "hint: write it as `localhost:5000/cache`"
            ),
        ),
    ],
)
def test_options_that_do_not_go_together(
    locked_steps: Path, cache: Cache, options: tuple[str, ...], said: str
) -> None:
    done = Steps(locked_steps, cache, os.environ).run("build", *options)
    assert (done.returncode, done.stderr) == (2, f"error: {said}\n")
