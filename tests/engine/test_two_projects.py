"""Two projects with an image of one name, run by turns from one store."""

import re
import shutil
from pathlib import Path
from typing import Final

import pytest

from mlimage.cache import Cache
from mlimage.oci.store import Store
from mlimage.spec.project import Project
from support.machine import DOCKERS
from support.offline import offline_project
from support.runs import SANDBOX, run
from support.standing import standing_image

ENTRY: Final = 'exec /bin/sh /app/"$1".py'
"""A shell stands for python."""


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
    standing_image(one, "tiny", Store(cache.store), entry=ENTRY)
    with pytest.warns(match="meant the image of"):
        standing_image(two, "tiny", Store(cache.store), entry=ENTRY)

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
