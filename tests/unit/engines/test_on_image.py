"""Whole builds on an image from a registry on loopback; this machine's python stands in for the image's."""

import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mlimage.cache import Cache
from mlimage.content.entry import arrange, file_of_bytes, symlink
from mlimage.digest import Digest
from mlimage.engines.build import Built, build_image
from mlimage.engines.direct import direct
from mlimage.engines.recorded import records_of
from mlimage.errors import BuildError, RegistryError, UsageError
from mlimage.fetch import Http, Retry
from mlimage.lock.index import Indexes
from mlimage.lock.inputs import Inputs
from mlimage.lock.model import ImageBase, ImageLayer, Installation
from mlimage.mirrors import Location, Mirrors
from mlimage.oci.images import RegistryImages
from mlimage.oci.model import LAYER
from mlimage.oci.store import Store
from mlimage.oci.unpack import unpack_image
from mlimage.plan.layers import base_layers, package_layers
from mlimage.plan.model import AppLayer, BuildPlan, RuntimeLayer
from mlimage.platforms import Platform
from mlimage.progress import SILENT
from mlimage.spec.registry import parse_reference
from support.bases import Made, image_of, offer, tar_of_entries
from support.elf import elf_program
from support.hostpython import STAND_IN
from support.locks import deb, image_base, package
from support.sealing import plan_of
from support.webserver import Fault, WebServer, web_server
from support.wheels import make_wheel

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
PLATFORM = Platform.parse({"x86_64": "linux/amd64", "aarch64": "linux/arm64"}[platform.machine()])
LOADER = "/lib64/ld-linux-x86-64.so.2"
LIBRARY = f"usr/local/lib/python{PYTHON}"
MODULES = ("os.py", "json/__init__.py", "test/module.py", "site-packages/pip.py", "README")
TAG = sys.implementation.cache_tag


def image() -> Made:
    """Two layers: a loader, and a python in `/usr/local` that hides a file of the first."""
    program = elf_program(LOADER, architecture=PLATFORM.architecture)
    lower = [
        file_of_bytes("usr/lib/x/ld.so", STAND_IN.encode(), origin="test", mode=0o755),
        symlink(LOADER.strip("/"), "/usr/lib/x/ld.so", origin="test"),
        file_of_bytes("etc/old", b"old", origin="test"),
    ]
    upper = [
        file_of_bytes(f"usr/local/bin/python{PYTHON}", program, origin="test", mode=0o755),
        *(file_of_bytes(f"{LIBRARY}/{name}", b"answer = 42\n", origin="test") for name in MODULES),
    ]
    return image_of(tar_of_entries(arrange(lower)), tar_of_entries(arrange(upper), hidden=["etc/old"]))


class Project:
    """An image of that base, one wheel and an application."""

    def __init__(self, place: Path, web: WebServer, http: Http) -> None:
        self.place = place
        self.web = web
        self.http = http
        self.cache = Cache(place / "cache")
        self.store = Store(self.cache.store)
        made = image()
        offer(web, "team/base", "1", made)
        self.base: ImageBase = replace(
            image_base(),
            platform=PLATFORM,
            python=PYTHON,
            repository="team/base",
            installation=Installation(
                version=f"{PYTHON}.1",
                program=f"usr/local/bin/python{PYTHON}",
                glibc="2.36",
                library=LIBRARY,
                bytecode=True,
            ),
            layers=tuple(
                ImageLayer(
                    media_type=f"{LAYER}+gzip", digest=digest, size=len(made.blobs[digest]), diff_id=diff_id
                )
                for digest, diff_id in zip(made.layers, made.diff_ids, strict=True)
            ),
        )
        path = make_wheel(place / "wheels", "one", "1.0", {"one/__init__.py": b"name = 1\n"})
        web.offer("one", path.name, path.read_bytes())
        self.wheel = replace(
            package("one", "1.0", size=path.stat().st_size), sha256=Digest.of_file(path), file=path.name
        )
        (place / "image/app").mkdir(parents=True)
        (place / "image/app/train.py").write_text("print('trained')\n")
        (place / "lock").mkdir()
        self.bytecode = True

    def plan(self) -> BuildPlan:
        plan = plan_of([], image="demo")
        return replace(
            plan,
            platform=PLATFORM,
            python=PYTHON,
            base=self.base,
            bytecode=self.bytecode,
            layers=(
                *base_layers(self.base, compression=plan.compression, bytecode=self.bytecode),
                *package_layers(
                    [self.wheel],
                    self.base,
                    single=1 << 20,
                    bins=4,
                    compression=plan.compression,
                    bytecode=self.bytecode,
                ),
                RuntimeLayer(name="runtime"),
                AppLayer(name="app", source="app", ignore=(), roles=b"{}"),
            ),
        )

    def inputs(self) -> Inputs:
        mirrors = Mirrors(
            configured={"docker.io": (Location(self.web.origin),), "default": (Location(self.web.index),)}
        )
        return Inputs(
            cache=self.cache,
            http=self.http,
            mirrors=mirrors,
            indexes=Indexes(http=self.http, cache=self.cache, mirrors=mirrors),
            images=RegistryImages(
                parse_reference("team/base:1"), http=self.http, mirrors=mirrors, cache=self.cache,
                environ={"HOME": "/nonexistent"}, progress=SILENT,
            ),
        )  # fmt: skip

    def build(self, *, jobs: int | None = None) -> Built:
        return build_image(
            self.plan(),
            folder=self.place / "image",
            lock_folder=self.place / "lock",
            record=False,
            engine=direct,
            inputs=self.inputs,
            cache=self.cache,
            store=self.store,
            progress=SILENT,
            jobs=jobs,
        )

    def layers_asked_for(self) -> int:
        return sum("/blobs/" in path for path in self.web.paths())


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with web_server() as web, Http(retry=Retry(attempts=2, sleep=lambda _: None)) as http:
        yield Project(tmp_path, web, http)


def test_the_base_is_in_the_image_as_it_is(project: Project, tmp_path: Path) -> None:
    built = project.build()
    assert [layer.layer.name for layer in built.layers] == ["base-1", "base-2", "one", "runtime", "app"]
    assert [layer.blob.digest for layer in built.image.layers[:2]] == [
        each.digest for each in project.base.layers
    ]
    assert [layer.diff_id for layer in built.image.layers[:2]] == [
        each.diff_id for each in project.base.layers
    ]
    root = tmp_path / "root"
    root.mkdir()
    unpack_image(built.image, project.store, root)
    assert not (root / "etc/old").exists()
    site = root / f"opt/venv/lib/python{PYTHON}/site-packages"
    assert (site / f"one/__pycache__/__init__.{TAG}.pyc").is_file()
    assert (root / "opt/venv/bin/python").readlink() == Path(f"/usr/local/bin/python{PYTHON}")
    assert (root / "opt/venv/pyvenv.cfg").read_text().startswith("home = /usr/local/bin\n")


def test_what_comes_from_the_lock_is_recorded(project: Project) -> None:
    assert [record.layer for record in records_of(project.build().layers, "cpu")] == [
        "base-1", "base-2", "one",
    ]  # fmt: skip


def test_each_layer_is_pulled_once(project: Project) -> None:
    first = project.build()
    assert project.layers_asked_for() == 2
    again = project.build()
    assert again.image == first.image
    assert not any(layer.made for layer in again.layers)
    project.store.blob(project.base.layers[0].digest).unlink()
    assert project.build().image == first.image
    assert project.layers_asked_for() == 3


def test_the_same_whatever_runs_at_once(project: Project) -> None:
    digests = set()
    for jobs in (1, 4):
        shutil.rmtree(project.cache.root, ignore_errors=True)
        digests.add(project.build(jobs=jobs).image.digest)
    assert len(digests) == 1


def test_a_library_without_bytecode_gets_it_in_a_layer_of_its_own(project: Project, tmp_path: Path) -> None:
    project.base = replace(project.base, installation=replace(project.base.installation, bytecode=False))
    built = project.build()
    assert [layer.layer.name for layer in built.layers] == [
        "base-1", "base-2", "library", "one", "runtime", "app",
    ]  # fmt: skip
    assert [record.layer for record in records_of(built.layers, "cpu")] == [
        "base-1", "base-2", "library", "one",
    ]  # fmt: skip
    (root := tmp_path / "root").mkdir()
    unpack_image(built.image, project.store, root)
    assert {str(path.relative_to(root / LIBRARY)) for path in (root / LIBRARY).rglob("*.pyc")} == {
        f"__pycache__/os.{TAG}.pyc", f"json/__pycache__/__init__.{TAG}.pyc",
    }  # fmt: skip
    shutil.rmtree(project.cache.root)
    assert project.build(jobs=1).image == built.image


def test_without_bytecode_nothing_is_unpacked(project: Project) -> None:
    project.bytecode = False
    project.base = replace(project.base, installation=replace(project.base.installation, bytecode=False))
    assert [layer.layer.name for layer in project.build().layers][2] == "one"
    assert not project.cache.roots.exists()


def test_a_layer_that_cannot_be_had(project: Project) -> None:
    project.web.spoil("/blobs/", Fault(status=404))
    with pytest.raises(RegistryError) as caught:
        project.build()
    assert caught.value.message.endswith("of `team/base` any more")
    assert project.store.tags() == {}


def test_a_lock_whose_layer_has_another_tar(project: Project) -> None:
    first, second = project.base.layers
    project.base = replace(project.base, layers=(first, replace(second, diff_id=first.diff_id)))
    with pytest.raises(
        BuildError, match=r"^layer `base-2`, sha256:\w+, is not the tar that its image says: "
    ):
        project.build()
    assert project.store.tags() == {}
    assert list(project.cache.roots.glob("*")) == []


def test_debs_on_it_need_docker(project: Project) -> None:
    project.base = replace(project.base, packages=("git",), debs=(deb("git"),))
    with pytest.raises(UsageError) as caught:
        project.build()
    assert caught.value.message == (
        "the direct engine cannot build `demo:cpu`: the image that is the base installs `base.packages` with "
        "its own dpkg"
    )
    assert caught.value.hint == "`--engine docker`, or leave `--engine` out"
