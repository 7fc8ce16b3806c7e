"""A base as people have it: a whole Debian with apt, dpkg and pip, as an image of a registry."""

import json
import os
import shutil
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlimage.cache import Cache
from mlimage.content.entry import arrange, file_of_bytes
from mlimage.digest import Digest
from support.bases import image_of, tar_of_entries, write_layout
from support.building import MLIMAGE
from support.machine import Engine
from support.programs import program
from support.webserver import WebServer, web_server

pytestmark = pytest.mark.network

NAME = f"mlimage-test-plain-{os.getpid()}"
SPEC = """\
name: whole
python: "3.11"
base: {{image: '{image}', packages: [{packages}]}}
dependencies: [idna, joblib==1.4.2]
env: {{GREETING: 'hello "$world"'}}
train: {{command: python train.py}}
"""
TRAIN = """\
import os, sys, joblib, idna
print(sys.base_prefix, sys.prefix, joblib.__version__, os.environ["GREETING"])
"""
INCLUDED = "python3.11,python3.11-venv,python3-pip"


@pytest.fixture(scope="module")
def index() -> Iterator[WebServer]:
    """An index on loopback, which containers on the host's network reach."""
    with web_server() as server:
        yield server


@pytest.fixture(scope="module")
def base(registry: str, index: WebServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Debian with apt and pip, made by `mmdebstrap`; its pip is configured for the index on loopback."""
    folder = tmp_path_factory.mktemp("debian")
    program(
        "mmdebstrap", "--quiet", "--variant=apt", "--skip=output/dev", f"--include={INCLUDED}",
        "bookworm", folder / "root.tar",
    )  # fmt: skip
    settings = f"[global]\nindex-url = {index.index}\ntrusted-host = 127.0.0.1\n".encode()
    above = arrange([file_of_bytes("etc/pip.conf", settings, origin="test")])
    image = image_of((folder / "root.tar").read_bytes(), tar_of_entries(above), env=["PATH=/usr/bin:/bin"])
    reference = f"{registry}/bases/bookworm:{os.getpid()}"
    program(
        "skopeo", "copy", "--quiet", "--dest-tls-verify=false",
        write_layout(folder / "layout", image), f"docker://{reference}",
    )  # fmt: skip
    return reference


@dataclass
class Project:
    """A project with one image on that base."""

    root: Path
    cache: Cache

    def write(self, base: str, packages: str = "") -> None:
        app = self.root / "images/whole/app"
        app.mkdir(parents=True)
        (self.root / "lockfiles").mkdir()
        (app / "train.py").write_text(TRAIN)
        (self.root / "images/whole/mlimage.yaml").write_text(SPEC.format(image=base, packages=packages))

    def good(self, *arguments: str, environ: Mapping[str, str] = os.environ) -> str:
        done = subprocess.run(
            [MLIMAGE, *arguments],
            cwd=self.root,
            env={**environ, "MLIMAGE_CACHE": str(self.cache.root)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def build(self, *options: str, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
        [found] = json.loads(self.good("build", "--json", "--no-load", *options, environ=environ))
        return {key: found[key] for key in ("digest", "image_id")}


@pytest.fixture(scope="module")
def locked(base: str, tmp_path_factory: pytest.TempPathFactory, shared_cache: Cache) -> Path:
    root = tmp_path_factory.mktemp("whole")
    project = Project(root, shared_cache)
    project.write(base)
    project.good("lock")
    return root


def test_docker_build_alone_builds_it(
    locked: Path, index: WebServer, shared_cache: Cache, warm_cache: Cache, engine: Engine, tmp_path: Path
) -> None:
    project = Project(tmp_path / "project", warm_cache)
    shutil.copytree(locked, project.root)
    project.build("--engine", "direct")  # fetches the wheels
    project.good("render")
    for package in tomllib.loads((project.root / "lockfiles/whole/cpu.toml").read_text())["package"]:
        content = shared_cache.input(Digest(package["sha256"])).read_bytes()
        index.offer(package["name"], package["file"], content)
    try:
        program(
            "docker", "build", "--network=host", "--file", project.root / "images/whole/Dockerfile.cpu",
            "--tag", NAME, project.root, environ=engine.environ,
        )  # fmt: skip
        said = program("docker", "run", "--rm", NAME, environ=engine.environ)
        assert said == '/usr /opt/venv 1.4.2 hello "$world"\n'
        user = program("docker", "run", "--rm", NAME, "id", "-u", environ=engine.environ)
        assert user == "65532\n"
    finally:
        program("docker", "image", "rm", "--force", NAME, environ=engine.environ)


def test_both_engines_give_the_same_image(
    locked: Path, tmp_path: Path, warm_cache: Cache, engine: Engine
) -> None:
    shutil.copytree(locked, tmp_path / "project")
    by_docker = Project(tmp_path / "project", warm_cache).build(
        "--engine", "docker", "--no-cache", environ=engine.environ
    )
    assert Project(tmp_path / "project", Cache(tmp_path / "cold")).build("--engine", "direct") == by_docker


def test_debian_packages_are_installed_by_the_base_itself(
    base: str, tmp_path: Path, warm_cache: Cache, engine: Engine
) -> None:
    project = Project(tmp_path / "project", warm_cache)
    project.write(base, "libsndfile1, dbus")
    project.good("lock")
    first = project.build("--record", environ=engine.environ)
    cold = Project(project.root, Cache(tmp_path / "cold"))
    assert cold.build("--no-cache", "--strict-reproducible", environ=engine.environ) == first
    script = "dpkg-query --show --showformat '${Status}\\n' libsndfile1 dbus; ls /var/log/dpkg.log 2>&1 || :"
    said = cold.good("run", "--runtime", "sandbox", "whole", "--", "sh", "-c", script)
    assert said == (
        "install ok installed\ninstall ok installed\n"
        "ls: cannot access '/var/log/dpkg.log': No such file or directory\n"
    )
