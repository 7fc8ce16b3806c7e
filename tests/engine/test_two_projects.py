"""Two projects with an image of one name, run by turns from one store."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from mlimage.cache import Cache
from mlimage.content.entry import Entry, arrange, file_of_bytes
from mlimage.engines.own import OwnLayer, own_files
from mlimage.lock.text import read_lock
from mlimage.oci.layer import pack
from mlimage.oci.seal import seal
from mlimage.oci.store import Store
from mlimage.plan.decide import plan
from mlimage.plan.model import AppLayer, BaseLayer, BuildPlan, RecipeLayer
from mlimage.spec.project import Project
from support.locks import CPU
from support.machine import DOCKERS
from support.offline import offline_project
from support.running import small_root
from support.runs import SANDBOX, run

ENTRY = file_of_bytes("usr/bin/entry", b'#!/bin/sh\nexec /bin/sh /app/"$1".py\n', origin="test", mode=0o755)
"""A shell stands for python."""


def build(project: Project, store: Store) -> None:
    """As `mlimage build` does, but for what is below spec, lock and application."""
    loaded = project.load("tiny")
    planned = plan(loaded, read_lock(project.lock_folder("tiny"), CPU))
    kept = [layer for layer in planned.layers if isinstance(layer, BaseLayer | RecipeLayer | AppLayer)]
    small = replace(planned, layers=tuple(kept), config=replace(planned.config, entrypoint=("/bin/entry",)))
    blobs = [
        pack(
            files_of(layer, planned, project),
            name=layer.name,
            compression=planned.compression,
            store=store,
            advance=lambda _: None,
        )
        for layer in kept
    ]
    seal(small, blobs, store, project=project.root)


def files_of(
    layer: BaseLayer | RecipeLayer | AppLayer, planned: BuildPlan, project: Project
) -> tuple[Entry, ...]:
    if isinstance(layer, OwnLayer):
        return own_files(layer, planned, project.image_folder("tiny"))
    return arrange([*small_root(), ENTRY])


@pytest.fixture
def projects(tmp_path: Path) -> tuple[Project, Project]:
    """Each has another program."""
    for path in (tmp_path, tmp_path.parent):
        path.chmod(0o755)
    made = offline_project(tmp_path / "made", files={})
    found = []
    for name in ("one", "two"):
        shutil.copytree(made.root, tmp_path / name)
        (tmp_path / name / "images/tiny/app/train.py").write_text(f"echo {name} > /models/model\n")
        found.append(Project(tmp_path / name))
    return found[0], found[1]


@pytest.mark.parametrize("runtime", [SANDBOX, pytest.param(DOCKERS[0], marks=pytest.mark.engine)])
def test_each_runs_its_own(projects: tuple[Project, Project], tmp_path: Path, runtime: str) -> None:
    cache = Cache(tmp_path / "cache")
    cache.root.mkdir(mode=0o755)
    one, two = projects
    build(one, Store(cache.store))
    with pytest.warns(match="meant the image of"):
        build(two, Store(cache.store))

    def trained(project: Project) -> tuple[str, str]:
        """The model, and what was said besides."""
        done = run(cache, project.root, runtime, "tiny", "train")
        assert done.returncode == 0, done.stderr
        return (project.root / "models/tiny/model").read_text(), done.stderr

    assert trained(one)[0] == "one\n"
    model, said = trained(two)
    assert model == "two\n"
    if runtime != "sandbox":
        assert re.search(
            rf"warning: `tiny:cpu` in Docker \S+ meant the image of `{one.root}`, and means this one now; "
            "`mlimage run` runs each by its id\n",
            said,
        )
    (one.root / "models/tiny/model").unlink()
    assert trained(one)[0] == "one\n"
    (one.root / "images/tiny/app/train.py").write_text("echo three > /models/model\n")
    done = run(cache, one.root, runtime, "tiny", "train")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: `tiny:cpu` is not built as it stands here; since ")
    assert (one.root / "models/tiny/model").read_text() == "one\n"
