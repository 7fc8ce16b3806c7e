"""The workflows of `mlimage init --ci`, line by line, without Docker, and a registry that wants a login.

They install mlimage themselves: as this checkout makes it, from an index, an archive or a wheel on loopback.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mlimage import DISTRIBUTION
from mlimage.cache import Cache
from mlimage.digest import Digest
from mlimage.mirrors import load_mirrors
from support.machine import ROOT, share_fetched
from support.registries import PASSWORD, USER, OwnRegistry, own_registry
from support.steps import Steps
from support.webserver import Fault, WebServer, web_server
from support.workflows import Machine, github_job, gitlab_job

pytestmark = [pytest.mark.network, pytest.mark.engine]

NOWHERE = "http://127.0.0.1:9/"
OFFLINE = {"MLIMAGE_MIRROR_DEFAULT": NOWHERE, "MLIMAGE_MIRROR_DEBIAN": NOWHERE}
"""For mlimage; pip installs it all the same."""
NO_DOCKER = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}
IMAGES = [{"image": "steps", "variant": "cpu"}, {"image": "steps", "variant": "cuda"}]


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source archive of this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        (sys.executable, "-m", "hatchling", "build", "-d", folder), cwd=ROOT, check=True, capture_output=True
    )
    return folder


@pytest.fixture(scope="module")
def index(dist: Path) -> Iterator[WebServer]:
    """An index that has the wheel, and nothing else; below `/dist/` are the files themselves."""
    with web_server() as web:
        for file in dist.iterdir():
            web.files[f"/dist/{file.name}"] = file.read_bytes()
        [wheel] = dist.glob("*.whl")
        web.offer(DISTRIBUTION, wheel.name, wheel.read_bytes())
        yield web


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a python that has pip alone until a job installs something."""
    folder = tmp_path_factory.mktemp("ci")
    subprocess.run((sys.executable, "-m", "venv", folder), check=True)
    return folder / "bin"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[OwnRegistry]:
    with own_registry(tmp_path / "registry", login=True) as made:
        yield made


@pytest.fixture
def project(built_steps: Steps, index: WebServer, tmp_path: Path) -> Steps:
    """A repository whose folder `ml` is the project, with all that `init --ci` says is to be committed."""
    [usual, *_] = load_mirrors().index("default")
    root = tmp_path / "repository/ml"
    shutil.copytree(built_steps.root, root)
    (tmp_path / "repository/.git").mkdir()
    found = replace(built_steps, root=root).with_environ(MLIMAGE_MIRROR_DEFAULT=f"{index.index} {usual.url}")
    for verb in (("render",), ("build", "--record", "--no-load")):
        done = found.run(*verb)
        assert done.returncode == 0, done.stderr
    return found


class Runners:
    """Machines that nobody used before."""

    def __init__(
        self, project: Steps, index: WebServer, programs: Path, fetched: Cache, folder: Path
    ) -> None:
        self._project, self._index, self._programs = project, index, programs
        self._fetched, self._folder = fetched, folder

    def new(self, name: str, *, online: bool) -> Machine:
        cache = Cache(self._folder / name)
        environ = {
            **os.environ,
            "PIP_EXTRA_INDEX_URL": self._index.index,
            "PIP_NO_COMPILE": "1",  # sooner
            "MLIMAGE_CACHE": str(cache.root),
            "HOME": str(self._folder),
            **NO_DOCKER,
        }
        if online:
            cache.root.mkdir()
            share_fetched(self._fetched, cache)
        return Machine(
            checkout=self._project.root.parent,
            programs=self._programs,
            environ={**environ, **({} if online else OFFLINE)},
        )


@pytest.fixture
def runners(project: Steps, index: WebServer, programs: Path, shared_cache: Cache, tmp_path: Path) -> Runners:
    return Runners(project, index, programs, shared_cache, tmp_path)


def written(project: Steps, system: str, file: str, *locked: str, source: str | None = None) -> str:
    done = project.run("init", "--ci", system, "--json", *(("--mlimage-from", source) if source else ()))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["files"] == [*(f"lockfiles/{name}" for name in locked), f"../{file}"]
    return (project.root.parent / file).read_text()


def source_of(index: WebServer, dist: Path, suffix: str) -> str:
    [file] = dist.glob(f"*{suffix}")
    return f"{index.origin}/dist/{file.name}#{Digest.of_file(file).replace(':', '=')}"


def pulled(project: Steps, reference: str, folder: Path) -> dict[str, object]:
    said = json.dumps({"auths": {reference: {"username": USER, "password": PASSWORD}}})
    laptop = replace(project, cache=Cache(folder)).with_environ(DOCKER_AUTH_CONFIG=said)
    done = laptop.run("pull", f"{reference}/acme/models/steps:latest", "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_github(project: Steps, registry: OwnRegistry, runners: Runners, tmp_path: Path) -> None:
    text = written(project, "github", ".github/workflows/mlimage.yml", "mlimage.txt")
    text = text.replace("ghcr.io", registry.host)
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


def test_gitlab(
    project: Steps, registry: OwnRegistry, runners: Runners, index: WebServer, dist: Path, tmp_path: Path
) -> None:
    """With a mlimage that no index has, and that is built from its source."""
    text = written(
        *(project, "gitlab", ".gitlab-ci.yml", "mlimage.txt", "mlimage-archive.txt"),
        source=source_of(index, dist, ".tar.gz"),
    )
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


NOBODY = dict.fromkeys(("CI_REGISTRY", "CI_REGISTRY_IMAGE", "CI_REGISTRY_USER", "CI_REGISTRY_PASSWORD"), "x")


def test_other_bytes_are_not_installed(
    project: Steps, runners: Runners, index: WebServer, dist: Path
) -> None:
    source = source_of(index, dist, ".whl")
    text = written(project, "gitlab", ".gitlab-ci.yml", "mlimage.txt", source=source)
    machine = runners.new("check", online=False)
    gitlab_job(text, "check", machine, variables=NOBODY)
    said = machine.shell("python -c 'import mlimage; print(mlimage.__file__)'", {}, folder="/")
    assert said.startswith(str(machine.programs.parent))
    machine.shell(f"python -m pip uninstall --yes {DISTRIBUTION}", {})
    path = source.removeprefix(index.origin).partition("#")[0]
    index.spoil(path, Fault(body=index.files[path] + b"x"))
    with pytest.raises(AssertionError, match="THESE PACKAGES DO NOT MATCH THE HASHES"):
        gitlab_job(text, "check", machine, variables=NOBODY)
    index.mend()


def test_what_does_not_fit_together_stops_the_check(project: Steps, runners: Runners) -> None:
    text = written(project, "gitlab", ".gitlab-ci.yml", "mlimage.txt")
    (project.root / "images/steps/Dockerfile.cpu").write_text("FROM scratch\n")
    with pytest.raises(AssertionError, match="1 of 4 rendered files are not what the spec and the lock give"):
        gitlab_job(text, "check", runners.new("check", online=False), variables=NOBODY)
    spec = project.root / "images/steps/mlimage.yaml"
    spec.write_text(spec.read_text().replace("[idna]", "[idna, six]"))
    with pytest.raises(AssertionError, match="`mlimage lock` brings them up to date"):
        gitlab_job(text, "check", runners.new("check", online=False), variables=NOBODY)
