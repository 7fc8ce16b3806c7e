"""Bases from a real registry: pythons in Debian's place and in `/usr/local`, and images that are no base."""

import gzip
import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mlimage.cache import Cache
from mlimage.content.base import assemble
from mlimage.content.entry import Entry, arrange, file_of_bytes
from mlimage.lock.apt import STAND_INS
from mlimage.lock.aptfiles import status
from mlimage.lock.model import ImageBase, Lock
from mlimage.lock.reader import parse_base
from mlimage.lock.sources import Sources
from mlimage.lock.text import read_lock
from mlimage.lock.toml import read_table
from mlimage.oci.reference import resolve
from mlimage.oci.store import Store
from mlimage.platforms import LINUX_AMD64, LINUX_ARM64
from mlimage.progress import SILENT
from mlimage.spec.load import parse_spec
from support.bases import Made, image_of, index_of, tar_of_entries, write_layout
from support.building import MLIMAGE
from support.elf import elf_program
from support.emulation import emulating
from support.locks import CPU
from support.machine import ROOT

pytestmark = [pytest.mark.engine, pytest.mark.network]

SPEC = """\
name: small
python: "3.11"
base: {{image: '{image}'{more}}}
dependencies: [joblib==1.4.2, numpy~=2.3]
train: {{command: python train.py}}
"""
TRAIN = """\
import argparse, ctypes, os, sqlite3, ssl, sys
import joblib, numpy
assert numpy.arange(3).sum() == 3
assert os.path.exists(argparse.__cached__), "the standard library has bytecode"
print(sys.base_prefix, sys.prefix, joblib.__version__, os.environ.get("PYTHON_VERSION"))
"""
ENV = ("PATH=/usr/local/bin:/usr/bin:/bin", "PYTHON_VERSION=3.11.2")


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory, shared_cache: Cache) -> tuple[Entry, ...]:
    """The assembled base of the shipped example."""
    base = parse_base(read_table(ROOT / "lockfiles" / "digits-sklearn" / "base.toml"))
    spec = parse_spec(
        (ROOT / "images/digits-sklearn/mlimage.yaml").read_bytes(), path="x", folder="digits-sklearn"
    )
    with (
        Sources(spec, "cpu", cache=shared_cache, environ=os.environ, progress=SILENT) as sources,
        SILENT.task("debs") as task,
    ):
        debs = [sources.inputs.get(deb, task) for deb in base.debs]
    return assemble(debs, scratch=tmp_path_factory.mktemp("scratch"), platform=LINUX_AMD64)


def in_usr_local(entries: Sequence[Entry]) -> tuple[bytes, bytes]:
    """Two layers with python as its official images have it; the second hides a program of the first."""
    pythons = [
        replace(entry, path=entry.path.replace("usr/", "usr/local/", 1))
        for entry in entries
        if _of_python(entry)
    ]
    decoy = file_of_bytes("usr/local/bin/python3.11", b"#!/bin/false\n", origin="test", mode=0o755)
    hidden = file_of_bytes("usr/local/lib/python3.11/numpy.py", b"raise SystemExit\n", origin="test")
    below = arrange([*(entry for entry in entries if not _of_python(entry)), decoy, hidden])
    return tar_of_entries(below), tar_of_entries(arrange(pythons), hidden=[hidden.path])


def _of_python(entry: Entry) -> bool:
    return entry.path == "usr/bin/python3.11" or entry.path.startswith("usr/lib/python3.11/")


def with_dpkg(entries: Sequence[Entry]) -> bytes:
    """The base with the database that dpkg itself would have made of it."""
    paragraphs = []
    for entry in entries:
        if (
            entry.path.startswith("var/lib/dpkg/status.d/")
            and entry.open
            and not entry.path.endswith(".md5sums")
        ):
            with entry.open() as stream:
                package, _, rest = stream.read().decode().strip().partition("\n")
            paragraphs.append(f"{package}\nStatus: install ok installed\n{rest}\n")
    text = "\n".join([*paragraphs, status(STAND_INS)])
    more = [
        file_of_bytes("var/lib/dpkg/status", text.encode(), origin="test"),
        file_of_bytes("usr/bin/dpkg", b"", origin="test", mode=0o755),
    ]
    return tar_of_entries(arrange([*entries, *more]))


@dataclass(frozen=True)
class Bases:
    """A registry into which images are pushed with skopeo."""

    registry: str
    folder: Path

    def push(self, name: str, image: Made) -> str:
        """Push an image, and everything that it names; returns its reference."""
        folder = self.folder / name.replace(":", "-")
        shutil.rmtree(folder, ignore_errors=True)
        reference = f"{self.registry}/bases/{name}"
        subprocess.run(
            [
                "skopeo", "copy", "--quiet", "--all", "--preserve-digests", "--dest-tls-verify=false",
                write_layout(folder, image), f"docker://{reference}",
            ],
            check=True,
        )  # fmt: skip
        return reference


@pytest.fixture(scope="module")
def bases(registry: str, tmp_path_factory: pytest.TempPathFactory) -> Bases:
    return Bases(registry, tmp_path_factory.mktemp("bases"))


@pytest.fixture(scope="module")
def plain(bases: Bases, debian: Sequence[Entry]) -> str:
    """Debian's own python, in one layer."""
    return bases.push("plain:1", image_of(tar_of_entries(debian), env=ENV[:1]))


@pytest.fixture(scope="module")
def official(bases: Bases, debian: Sequence[Entry]) -> str:
    """Python in `/usr/local`, for two platforms."""
    image = image_of(*in_usr_local(debian), env=ENV)
    other = image_of(b"", architecture="arm64")
    return bases.push("official:3.11", index_of(("linux/arm64/v8", other), ("linux/amd64", image)))


class Project:
    """A project with one image, and the command line."""

    def __init__(self, root: Path, cache: Cache) -> None:
        self.root = root
        self.cache = cache
        self.locks = root / "lockfiles/small"
        (root / "images/small/app").mkdir(parents=True)
        (root / "images/small/app/train.py").write_text(TRAIN)

    def on(self, image: str, more: str = "") -> "Project":
        (self.root / "images/small/mlimage.yaml").write_text(SPEC.format(image=image, more=more))
        return self

    def run(
        self, *arguments: str, env: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [MLIMAGE, *arguments],
            cwd=self.root,
            env={**os.environ, "MLIMAGE_CACHE": str(self.cache.root), **(env or {})},
            capture_output=True,
            text=True,
            check=False,
        )

    def good(self, *arguments: str, env: Mapping[str, str] | None = None) -> str:
        done = self.run(*arguments, env=env)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def lock(self) -> Lock:
        return read_lock(self.locks, CPU)

    def base(self) -> ImageBase:
        base = self.lock().base
        assert isinstance(base, ImageBase)
        return base


@pytest.fixture
def project(tmp_path: Path, warm_cache: Cache) -> Project:
    for folder in (tmp_path, tmp_path.parent):
        folder.chmod(0o755)
    return Project(tmp_path, warm_cache)


RUNTIMES = [
    pytest.param("docker"),
    pytest.param("sandbox", marks=pytest.mark.namespaces),
]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_it_trains_on_the_python_of_debian(
    runtime: str, project: Project, plain: str, docker_host: str
) -> None:
    project.on(plain).good("lock")
    assert project.base().installation.program == "usr/bin/python3.11"
    project.good("build")
    assert project.good("run", "--runtime", runtime, "small", "train") == "/usr /opt/venv 1.4.2 None\n"


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_it_trains_on_a_python_in_usr_local(
    runtime: str, project: Project, official: str, docker_host: str
) -> None:
    shown = project.on(official).good("lock")
    assert "bases/official with python 3.11.2 (2 layers, " in shown
    assert project.base().installation.program == "usr/local/bin/python3.11"
    project.good("build")
    assert (
        project.good("run", "--runtime", runtime, "small", "train") == "/usr/local /opt/venv 1.4.2 3.11.2\n"
    )


@pytest.mark.root
@pytest.mark.emulation
def test_a_base_for_two_platforms(project: Project, bases: Bases, debian: Sequence[Entry]) -> None:
    """The python of the other one cannot be asked on this machine; it runs where it is emulated."""
    spec = project.root / "images/small/mlimage.yaml"
    spec.write_text(SPEC.format(image="", more="").replace("{image: ''}", "{debian: bookworm}"))
    with spec.open("a") as stream:
        stream.write("platforms: [linux/arm64]\n")
    project.good("lock")
    project.good("build")
    store = Store(project.cache.store)
    layer, *_ = resolve(store, "small:cpu-arm64").layers
    there = gzip.decompress(store.blob(layer.blob.digest).read_bytes())
    both = index_of(
        ("linux/amd64", image_of(tar_of_entries(debian), env=ENV[:1])),
        ("linux/arm64", image_of(there, env=ENV[:1], architecture="arm64")),
    )
    spec = project.on(bases.push("both:1", both)).root / "images/small/mlimage.yaml"
    with spec.open("a") as stream:
        stream.write("platforms: [linux/amd64, linux/arm64]\n")
    project.good("lock")
    base = read_lock(project.locks, replace(CPU, platform=LINUX_ARM64)).base
    assert isinstance(base, ImageBase)
    assert (base.index, base.manifest) == (both.digest, both.parts[1].digest)
    assert base.installation == replace(project.base().installation, bytecode=False)
    project.good("build")
    python = "import joblib, numpy, platform; print(platform.machine(), numpy.arange(3).sum())"
    with emulating():
        run = ("run", "--runtime", "sandbox", "small:cpu-arm64", "--", "python", "-c", python)
        assert project.good(*run) == "aarch64 3\n"


def test_the_same_digest_from_nothing(project: Project, official: str, tmp_path: Path) -> None:
    project.on(official).good("lock")
    digests = set()
    for number, env in enumerate(({}, {"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"})):
        project.cache = Cache(tmp_path / f"cold-{number}")
        digests.add(project.good("build", "--json", "--jobs", str(1 + 3 * number), env=env))
    assert len(digests) == 1
    assert "made" in digests.pop()


def test_its_layers_are_the_base_s_to_the_byte(project: Project, official: str, tmp_path: Path) -> None:
    project.on(official).good("lock")
    project.good("build", "--output", f"oci:{tmp_path / 'layout'}")
    done = subprocess.run(
        ["skopeo", "inspect", f"oci:{tmp_path / 'layout'}:small:cpu"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["Layers"][:2] == [layer.digest for layer in project.base().layers]


def test_a_tag_that_moved(project: Project, bases: Bases, debian: Sequence[Entry]) -> None:
    first = image_of(tar_of_entries(debian), env=ENV[:1])
    second = image_of(tar_of_entries(debian), env=ENV)
    reference = bases.push("moving:1", first)
    project.on(reference).good("lock")
    assert project.base().manifest == first.digest
    bases.push("moving:1", second)
    assert project.good("lock") == "small:cpu is up to date\n"
    project.on(reference).good("lock", "--upgrade-package", "numpy")
    assert project.base().manifest == first.digest
    assert project.good("lock", "--check", env={"MLIMAGE_MIRROR_DEFAULT": "http://127.0.0.1:9"})
    project.good("lock", "--upgrade")
    assert (project.base().manifest, dict(project.base().env)["PYTHON_VERSION"]) == (second.digest, "3.11.2")


def test_debs_that_the_base_lacks(project: Project, bases: Bases, debian: Sequence[Entry]) -> None:
    reference = bases.push("dpkg:1", image_of(with_dpkg(debian), env=ENV))
    project.on(reference, ", packages: [libgomp1, libsndfile1]").good("lock")
    base = project.base()
    names = {deb.name for deb in base.debs}
    assert {"libsndfile1", "libflac12"} <= names
    assert {"libc6", "libgomp1", "python3.11"} & names == set()
    assert base.packages == ("libgomp1", "libsndfile1")
    before = project.lock()
    project.on(reference, ", packages: [libgomp1]").good("lock")
    assert (project.base().debs, project.base().manifest) == ((), base.manifest)
    assert project.lock().packages == before.packages
    project.on(reference, ", packages: [libsndfile1]").good("lock")
    done = project.run("build", "--engine", "direct")
    assert (done.returncode, done.stderr) == (
        2,
        (
            "error: the direct engine cannot build `small:cpu`: the image that is the base installs "
            "`base.packages` with its own dpkg\nhint: `--engine docker`, or leave `--engine` out\n"
        ),
    )


MUSL = (file_of_bytes("lib/ld-musl-x86_64.so.1", b"", origin="test"),)
OTHER = (file_of_bytes("usr/local/bin/python3.12", elf_program(), origin="test", mode=0o755),)
BAD = {
    "musl": (
        image_of(tar_of_entries(MUSL)),
        "the base image has the C library musl (`/lib/ld-musl-x86_64.so.1`), and wheels are made for glibc",
        "take one of a distribution with glibc, as the tags `-slim` and `-bookworm` of `python` are",
    ),
    "other": (
        image_of(tar_of_entries(OTHER)),
        'the base image has python 3.12 (`/usr/local/bin/python3.12`), the spec says "3.11"',
        'write `python: "3.12"`, or take an image with python 3.11',
    ),
    "none": (
        image_of(tar_of_entries([])),
        "the base image has no python",
        (
            "take one that has, as `python:3.11-slim`, or let mlimage put a base together: "
            "`base: {debian: bookworm}`"
        ),
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_base(name: str, project: Project, bases: Bases) -> None:
    image, message, hint = BAD[name]
    done = project.on(bases.push(f"{name}:1", image)).run("lock")
    assert done.returncode == 5
    assert f"error: images/small/mlimage.yaml:3:15: {message}\nhint: {hint}\n" in done.stderr
    assert not project.locks.exists()


def test_what_the_registry_does_not_have(project: Project, registry: str, plain: str) -> None:
    done = project.on(f"{registry}/bases/plain:2").run("lock")
    assert done.returncode == 9
    assert done.stderr.endswith(
        f"error: images/small/mlimage.yaml:3:15: `{registry}` has no image `bases/plain:2`: "
        "manifest unknown\n"
        "hint: is the name right, and the tag?\n"
    )


def test_a_registry_that_is_not_there(project: Project) -> None:
    done = project.on("127.0.0.1:9/bases/plain:2").run("lock")
    assert done.returncode == 6
    assert "`http://127.0.0.1:9/v2/bases/plain/manifests/2` cannot be fetched: " in done.stderr
