"""CPU and CUDA from one spec, locked against the real index: what they share is the same to the byte."""

import os
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from mlimage.cache import Cache
from support.building import MLIMAGE

pytestmark = pytest.mark.network

SPEC = """\
name: two
python: "3.11"
base: {{debian: bookworm}}
dependencies: [{shared}]
train: {{command: python train.py}}
variants:
  cpu: {{dependencies: [{cpu}]}}
  cuda: {{dependencies: [{cuda}]}}
"""


class Project:
    """A project with one image of two variants."""

    def __init__(self, root: Path, cache: Cache) -> None:
        self.root = root
        self.cache = cache
        (root / "images/two/app").mkdir(parents=True)
        (root / "images/two/app/train.py").write_text("")

    def write(self, *, shared: str, cpu: str = "", cuda: str = "") -> None:
        text = SPEC.format(shared=shared, cpu=cpu, cuda=cuda)
        (self.root / "images/two/mlimage.yaml").write_text(text)

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [MLIMAGE, *arguments],
            cwd=self.root,
            env={**os.environ, "MLIMAGE_CACHE": str(self.cache.root)},
            capture_output=True,
            text=True,
            check=False,
        )

    def packages(self, variant: str) -> dict[str, dict[str, Any]]:
        found = tomllib.loads((self.root / f"lockfiles/two/{variant}.toml").read_text())
        return {package["name"]: package for package in found["package"]}


@pytest.fixture
def project(tmp_path: Path, warm_cache: Cache) -> Project:
    return Project(tmp_path, warm_cache)


def test_jax_on_cpu_and_cuda_share_all_but_the_accelerators_packages(project: Project) -> None:
    project.write(shared="jax, scikit-learn", cuda='"jax[cuda13]"')
    done = project.run("lock")
    assert done.returncode == 0, done.stderr
    cpu, cuda = project.packages("cpu"), project.packages("cuda")
    assert {name for name in cpu if cpu[name]["sha256"] != cuda[name]["sha256"]} == set()
    assert all(name.startswith(("nvidia-", "jax-cuda")) for name in cuda.keys() - cpu.keys())
    assert {"jax-cuda13-plugin", "jaxlib", "numpy", "scikit-learn"} <= cuda.keys()
    dates = {
        tomllib.loads((project.root / f"lockfiles/two/{name}.toml").read_text())["as_of"]
        for name in ("cpu", "cuda")
    }
    assert len(dates) == 1
    assert project.run("lock").stdout == "two:cuda is up to date\ntwo:cpu is up to date\n"
    assert project.run("lock", "--check").returncode == 0


def test_variants_that_cannot_agree(project: Project) -> None:
    project.write(shared="idna", cpu='"idna<3.5"')
    done = project.run("lock")
    assert done.returncode == 5
    newest = "3."
    error, line, hint = done.stderr.splitlines()[-3:]
    assert error == "error: the variants of `two` cannot have the same packages:"
    assert line.startswith(f"  `idna` is {newest}")
    assert " in `cuda` (asked for by `dependencies`) and 3.4 in `cpu` (asked for by `dependencies`, " in line
    assert line.endswith("`variants.cpu.dependencies`)")
    assert hint == (
        "hint: loosen the requirement of one variant, or name packages that may differ in "
        "`accelerator_packages:`"
    )
    assert not (project.root / "lockfiles/two").exists()


def test_a_variant_that_was_changed_by_itself_is_stale(project: Project) -> None:
    project.write(shared="idna", cpu="h11")
    assert project.run("lock").returncode == 0
    project.write(shared='"idna<3.5"', cpu="h11")
    assert project.run("lock", "--variant", "cuda").returncode == 0
    checked = project.run("lock", "--check")
    assert checked.returncode == 4
    built = project.run("build", "--no-check", "--variant", "cuda")
    assert built.returncode == 4
    assert "the variants of `two` have drifted apart:\n  `idna` is 3.4 in `cuda`" in built.stderr
    assert project.run("lock").returncode == 0
    assert project.packages("cpu")["idna"]["version"] == "3.4"
    assert project.run("lock", "--check").returncode == 0
