"""The workflows of `mlimage init --ci`, line by line, without Docker, and a registry that wants a login."""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mlimage.cache import Cache
from support.machine import share_fetched
from support.registries import PASSWORD, USER, OwnRegistry, own_registry
from support.steps import Steps
from support.workflows import Machine, github_job, gitlab_job

pytestmark = [pytest.mark.network, pytest.mark.engine]

NOWHERE = "http://127.0.0.1:9/"
OFFLINE = {"PIP_INDEX_URL": NOWHERE, "MLIMAGE_MIRROR_DEBIAN": NOWHERE, "MLIMAGE_MIRROR_PYPI": NOWHERE}
NO_DOCKER = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}
IMAGES = [{"image": "steps", "variant": "cpu"}, {"image": "steps", "variant": "cuda"}]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[OwnRegistry]:
    with own_registry(tmp_path / "registry", login=True) as made:
        yield made


@pytest.fixture
def project(built_steps: Steps, tmp_path: Path) -> Steps:
    """A repository whose folder `ml` is the project, with all that `init --ci` says is to be committed."""
    root = tmp_path / "repository/ml"
    shutil.copytree(built_steps.root, root)
    (tmp_path / "repository/.git").mkdir()
    found = replace(built_steps, root=root)
    for verb in (("render",), ("build", "--record", "--no-load")):
        done = found.run(*verb)
        assert done.returncode == 0, done.stderr
    return found


class Runners:
    """Machines that nobody used before."""

    def __init__(self, project: Steps, fetched: Cache, folder: Path) -> None:
        self._project, self._fetched, self._folder = project, fetched, folder

    def new(self, name: str, *, online: bool) -> Machine:
        cache = Cache(self._folder / name)
        environ = {**os.environ, "MLIMAGE_CACHE": str(cache.root), "HOME": str(self._folder), **NO_DOCKER}
        if online:
            cache.root.mkdir()
            share_fetched(self._fetched, cache)
        return Machine(checkout=self._project.root.parent, environ={**environ, **({} if online else OFFLINE)})


@pytest.fixture
def runners(project: Steps, shared_cache: Cache, tmp_path: Path) -> Runners:
    return Runners(project, shared_cache, tmp_path)


def written(project: Steps, system: str, file: str) -> str:
    done = project.run("init", "--ci", system, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["files"] == [f"../{file}"]
    return (project.root.parent / file).read_text()


def pulled(project: Steps, reference: str, folder: Path) -> dict[str, object]:
    said = json.dumps({"auths": {reference: {"username": USER, "password": PASSWORD}}})
    laptop = replace(project, cache=Cache(folder)).with_environ(DOCKER_AUTH_CONFIG=said)
    done = laptop.run("pull", f"{reference}/acme/models/steps:latest", "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_github(project: Steps, registry: OwnRegistry, runners: Runners, tmp_path: Path) -> None:
    text = written(project, "github", ".github/workflows/mlimage.yml").replace("ghcr.io", registry.host)
    github = {"GITHUB_REPOSITORY": "Acme/Models"}
    outputs, _ = github_job(text, "check", runners.new("check", online=False), {}, variables=github)
    assert json.loads(outputs["images"]) == IMAGES
    known = {f"needs.check.outputs.{key}": value for key, value in outputs.items()}
    known |= {"github.actor": USER, "github.token": PASSWORD}
    for each in IMAGES:
        machine = runners.new(f"build-{each['variant']}", online=True)
        known |= {f"matrix.{key}": value for key, value in each.items()}
        _, printed = github_job(text, "build", machine, known, variables=github)
        assert "warning" not in printed
    assert registry.tags("acme/models/layers") == ["steps-cpu", "steps-cuda"]
    assert registry.tags("acme/models/steps") == []
    _, printed = github_job(text, "push", runners.new("push", online=False), known, variables=github)
    assert PASSWORD not in printed
    assert len(registry.tags("acme/models/steps")) == 2
    built = json.loads(project.run("inspect", "steps:cpu", "--json").stdout)
    assert pulled(project, registry.host, tmp_path / "laptop")["image_id"] == built["image_id"]
    # The application changes: nothing but it is made and sent.
    (project.root / "images/steps/app/train.py").write_text("print('trained anew')\n")
    _, printed = github_job(text, "push", runners.new("again", online=False), known, variables=github)
    assert len(registry.tags("acme/models/steps")) == 3
    assert pulled(project, registry.host, tmp_path / "laptop")["image_id"] != built["image_id"]


def test_gitlab(project: Steps, registry: OwnRegistry, runners: Runners, tmp_path: Path) -> None:
    text = written(project, "gitlab", ".gitlab-ci.yml")
    gitlab = {
        "CI_REGISTRY": registry.host,
        "CI_REGISTRY_IMAGE": f"{registry.host}/acme/models",
        "CI_REGISTRY_USER": USER,
        "CI_REGISTRY_PASSWORD": PASSWORD,
    }
    gitlab_job(text, "check", runners.new("check", online=False), variables=gitlab)
    for each in IMAGES:
        place = {key.upper(): value for key, value in each.items()}
        machine = runners.new(f"build-{each['variant']}", online=True)
        printed = gitlab_job(text, "build", machine, variables={**gitlab, **place})
        assert "warning" not in printed
    assert registry.tags("acme/models/layers") == ["steps-cpu", "steps-cuda"]
    printed = gitlab_job(text, "push", runners.new("push", online=False), variables=gitlab)
    assert PASSWORD not in printed
    assert len(registry.tags("acme/models/steps")) == 2
    built = json.loads(project.run("inspect", "steps:cpu", "--json").stdout)
    assert pulled(project, registry.host, tmp_path / "laptop")["image_id"] == built["image_id"]


def test_what_does_not_fit_together_stops_the_check(project: Steps, runners: Runners) -> None:
    text = written(project, "gitlab", ".gitlab-ci.yml")
    gitlab = dict.fromkeys(
        ("CI_REGISTRY", "CI_REGISTRY_IMAGE", "CI_REGISTRY_USER", "CI_REGISTRY_PASSWORD"), "x"
    )
    (project.root / "images/steps/Dockerfile.cpu").write_text("FROM scratch\n")
    with pytest.raises(AssertionError, match="1 of 4 rendered files are not what the spec and the lock give"):
        gitlab_job(text, "check", runners.new("check", online=False), variables=gitlab)
    spec = project.root / "images/steps/mlimage.yaml"
    spec.write_text(spec.read_text().replace("[idna]", "[idna, six]"))
    with pytest.raises(AssertionError, match="`mlimage lock` brings them up to date"):
        gitlab_job(text, "check", runners.new("check", online=False), variables=gitlab)
