"""Images for a platform that this machine does not run: locked, built, and put to work by an emulator."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlimage.cache import Cache
from mlimage.content.installation import read_versions
from mlimage.lock.target import target_of
from mlimage.lock.text import read_lock
from mlimage.oci.reference import resolve
from mlimage.oci.store import Store
from mlimage.oci.unpack import unpacked
from mlimage.platforms import LINUX_ARM64
from mlimage.spec.tags import ImageTag
from support.building import IMAGE, MLIMAGE, project_at
from support.emulation import emulating
from support.locks import CPU
from support.machine import share_fetched

pytestmark = [pytest.mark.network, pytest.mark.root, pytest.mark.emulation]

ARM64 = ImageTag(variant="cpu", platform=LINUX_ARM64)
ASKS = """\
import json, os, platform, sysconfig
print(json.dumps([platform.machine(), platform.python_version(), os.confstr("CS_GNU_LIBC_VERSION")]))
"""


@dataclass(frozen=True, slots=True)
class Project:
    """The example for two platforms, locked."""

    folder: Path
    cache: Cache

    def mlimage(self, *arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            (MLIMAGE, *arguments),
            cwd=self.folder,
            env={**os.environ, "MLIMAGE_CACHE": str(self.cache.root), "DOCKER_HOST": "unix:///none", **env},
            capture_output=True,
            text=True,
            check=False,
        )

    def built(self, **env: str) -> Mapping[str, str]:
        done = self.mlimage("build", "--platform", "linux/arm64", "--engine", "direct", "--json", **env)
        assert done.returncode == 0, done.stderr
        [image] = json.loads(done.stdout)
        return {name: image[name] for name in ("name", "platform", "digest", "image_id")}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, shared_cache: Cache) -> Project:
    folder = project_at(tmp_path_factory.mktemp("project"))
    spec = folder / "images" / IMAGE / "mlimage.yaml"
    spec.write_text(spec.read_text() + "platforms: [linux/amd64, linux/arm64]\n")
    cache = Cache(tmp_path_factory.mktemp("cache"))
    share_fetched(shared_cache, cache)
    found = Project(folder, cache)
    done = found.mlimage("lock", IMAGE)
    assert done.returncode == 0, done.stderr
    return found


def test_both_locks_have_the_same_versions(project: Project) -> None:
    folder = project.folder / "lockfiles" / IMAGE
    here, there = read_lock(folder, CPU), read_lock(folder, ARM64)
    assert here.as_of == there.as_of
    assert [(each.name, each.version) for each in there.packages] == [
        (each.name, each.version) for each in here.packages
    ]
    assert dict(there.tools).keys() == {"mlimage", "uv"}
    files = {each.name: each.file for each in there.packages}
    assert files["numpy"].endswith("aarch64.whl")
    assert {each.name: each.file for each in here.packages}["fastapi"] == files["fastapi"]
    assert {deb.architecture for deb in there.base.debs} == {"all", "arm64"}
    assert project.mlimage("lock", "--check").returncode == 0
    # What was committed for one platform is as it was: nothing of it moved.
    committed = project_at(project.folder / "committed") / "lockfiles" / IMAGE
    assert (folder / "cpu.txt").read_bytes() == (committed / "cpu.txt").read_bytes()


def test_every_builder_gives_the_same_image(project: Project, tmp_path: Path, shared_cache: Cache) -> None:
    other = Project(project.folder, Cache(tmp_path / "other"))
    other.cache.root.mkdir()
    share_fetched(shared_cache, other.cache)
    image = project.built()
    assert image["name"] == f"{IMAGE}:cpu-arm64"
    assert image["platform"] == "linux/arm64"
    assert other.built(TZ="Pacific/Kiritimati", PYTHONHASHSEED="5") == image


def test_it_runs_where_its_platform_is_emulated(project: Project) -> None:
    project.built()
    run = ("run", "--runtime", "sandbox", f"{IMAGE}:cpu-arm64")
    lock = read_lock(project.folder / "lockfiles" / IMAGE, ARM64)
    target = target_of(lock.base)
    with emulating():
        asked = project.mlimage(*run, "--", "python", "-c", ASKS)
        assert asked.returncode == 0, asked.stderr
        assert json.loads(asked.stdout) == ["aarch64", target.version, f"glibc {target.glibc}"]
        trained = project.mlimage(*run, "train")
        assert trained.returncode == 0, trained.stderr
        assert "accuracy 0.96" in trained.stdout
    assert (project.folder / "models" / IMAGE / "model.npz").is_file()


def test_what_the_base_is_can_be_read_where_it_cannot_be_asked(project: Project) -> None:
    project.built()
    store = Store(project.cache.store)
    image = resolve(store, f"{IMAGE}:cpu-arm64")
    root = unpacked(image, store, project.cache)
    target = target_of(read_lock(project.folder / "lockfiles" / IMAGE, ARM64).base)
    assert read_versions(root, "usr/bin/python3.11", "3.11", LINUX_ARM64) == (target.version, target.glibc)
    assert not list(root.rglob("*.pyc"))
