"""Train, freeze, build: the shipped example in the sandbox, and what is refused."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from mlimage.cache import Cache
from mlimage.runtime.golden.compare import compare_arrays, worst
from mlimage.runtime.golden.record import Record, read_golden
from mlimage.runtime.golden.recorder import features_of, outputs_of
from support.building import IMAGE, MLIMAGE, project_at
from support.indexes import mirrors_of_wheels

pytestmark = [pytest.mark.network, pytest.mark.namespaces]

MODEL = f"models/{IMAGE}/model.npz"
RECORD = f"lockfiles/{IMAGE}/golden"


class Project:
    """A copy of the project with the example, and what a user types in it."""

    def __init__(self, root: Path, cache: Cache) -> None:
        self.root = root
        self.app = root / "images" / IMAGE / "app/digits"
        self._env = {**os.environ, **mirrors_of_wheels(IMAGE), "MLIMAGE_CACHE": str(cache.root)}

    def type(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [MLIMAGE, *words], cwd=self.root, env=self._env, capture_output=True, text=True, check=False
        )

    def done(self, *words: str) -> str:
        done = self.type(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def build(self) -> str:
        [built] = json.loads(self.done("build", IMAGE, "--variant", "cpu", "--engine", "direct", "--json"))
        digest: str = built["digest"]
        return digest

    def train(self) -> None:
        self.done("run", IMAGE, "--runtime", "sandbox", "train")

    def freeze(self) -> None:
        self.done("freeze", IMAGE, "--runtime", "sandbox")

    def refused(self, *words: str) -> tuple[int, list[str]]:
        """Status and the lines of the error."""
        done = self.type(*words)
        lines = done.stderr.splitlines()
        first = next(number for number, line in enumerate(lines) if line.startswith("error: "))
        return done.returncode, lines[first:]

    def change(self, module: str, before: str, after: str) -> None:
        file = self.app / module
        text = file.read_text()
        assert before in text
        file.write_text(text.replace(before, after))


@pytest.fixture
def project(tmp_path: Path, warm_cache: Cache) -> Project:
    """The example, built and trained; the folder is one that the user of the image can reach."""
    for path in (tmp_path, tmp_path.parent):
        path.chmod(0o755)
    found = Project(project_at(tmp_path / "project"), warm_cache)
    found.build()
    found.train()
    return found


def test_train_freeze_build(project: Project) -> None:
    plain = project.build()
    project.freeze()
    record = read_golden(str(project.root / RECORD))
    assert len(record.cases) >= 16
    assert list(record.preprocess) == ["app/digits/__init__.py", "app/digits/preprocessing.py"]
    frozen = project.build()
    assert frozen != plain
    # Nothing of it is of the moment: the same model gives the same record, and the same image.
    project.freeze()
    assert project.build() == frozen
    assert "the same digest came out" in project.done("reproduce", IMAGE)
    # The image has its model now, without any folder.
    (project.root / f"models/{IMAGE}").rename(project.root / "elsewhere")
    script = (
        "from digits.preprocessing import of_request; from digits.model import scores; "
        "print(scores(of_request({'instances': [[0] * 64]})).shape)"
    )
    assert project.done("run", IMAGE, "--runtime", "sandbox", "--", "python", "-c", script) == "(1, 10)\n"
    assert project.build() == frozen
    # And no more when it is let go.
    project.done("freeze", IMAGE, "--drop")
    assert project.build() == plain


def test_what_changed_since_is_refused_by_the_next_build(project: Project) -> None:
    project.freeze()
    record = project.root / RECORD
    model = project.root / MODEL
    trained = model.read_bytes()
    model.write_bytes(trained[:-1])
    assert project.refused("build", IMAGE, "--engine", "direct") == (
        7,
        [
            f"error: the trained model has changed since its golden record: `{model}`",
            f"hint: freeze this one: `mlimage freeze {IMAGE}`",
        ],
    )
    model.write_bytes(trained)
    (record / "models/model.npz").write_bytes(trained[:-1])
    assert project.refused("build", IMAGE, "--engine", "direct") == (
        7,
        [
            f"error: the frozen model has changed since its golden record: `{record}/models/model.npz`",
            f"hint: take it from version control, or `mlimage freeze {IMAGE}` records anew",
        ],
    )
    (record / "models/model.npz").write_bytes(trained)
    case = record / "cases/0001/outputs/output.npy"
    case.unlink()
    assert project.refused("build", IMAGE, "--engine", "direct") == (
        7,
        [f"error: {case}: it is missing", f"hint: `mlimage freeze {IMAGE}` records anew"],
    )
    project.freeze()
    project.change("preprocessing.py", "/ DARKEST", "/ (DARKEST + 1)")
    assert project.refused("build", IMAGE, "--engine", "direct") == (
        7,
        [
            f"error: the preprocessing has changed since its golden record: `{project.app}/preprocessing.py`",
            f"hint: undo it, or begin anew: `mlimage freeze {IMAGE} --drop`, then build, train and freeze",
        ],
    )


def test_a_model_that_draws_random_numbers_is_refused(project: Project) -> None:
    project.change(
        "model.py", ".decision_function(rows)", ".decision_function(rows + np.random.default_rng().random())"
    )
    project.build()
    status, (error, hint) = project.refused("freeze", IMAGE, "--runtime", "sandbox")
    assert status == 8
    assert error.startswith(
        "error: it is not stable: the same once more, outputs `output` of case `batch.json` are off by "
    )
    assert hint == "hint: the model draws random numbers, or reads a clock or the network: leave that out"
    assert not (project.root / RECORD).exists()


def test_a_model_that_cannot_be_read(project: Project) -> None:
    model = project.root / MODEL
    model.write_bytes(model.read_bytes()[:-100])
    done = project.type("freeze", IMAGE, "--runtime", "sandbox")
    assert done.returncode == 10
    assert "mlimage: batch.json: outputs: BadZipFile: File is not a zip file\n" in done.stderr
    assert not (project.root / RECORD).exists()


def test_each_fault_is_seen_in_its_stage(project: Project) -> None:
    project.freeze()
    record = read_golden(str(project.root / RECORD))
    with np.load(project.root / MODEL) as arrays:
        weights, offsets = arrays["coef_"], arrays["intercept_"]

    def features(query: dict[str, list[object]], mean: float = 0.0, order: int = 1) -> object:
        rows = [np.array(image, "float64").reshape(64)[::order] / 16 - mean for image in query["instances"]]
        return np.stack(rows)

    def scores(rows: object, weights: object = weights) -> object:
        return rows @ weights.T + offsets  # type: ignore[attr-defined]

    assert failing(record, features, scores) == {}
    shifted = failing(record, lambda query: features(query, mean=1e-4), scores)
    assert set(shifted) == {"features"}
    assert shifted["features"] == {case.name for case in record.cases}
    shuffled = failing(record, lambda query: features(query, order=-1), scores)
    assert set(shuffled) == {"features"}
    # These three are the same from behind.
    assert {case.name for case in record.cases} - shuffled["features"] == {
        "paper.json",
        "ink.json",
        "chessboard.json",
    }
    other = weights.copy()
    strongest = np.unravel_index(np.abs(other).argmax(), other.shape)
    other[strongest] *= 1.001
    assert set(failing(record, features, lambda rows: scores(rows, other))) == {"outputs"}


def failing(record: Record, preprocess: object, predict: object) -> dict[str, set[str]]:
    """The cases that fail, by stage."""
    found: dict[str, set[str]] = {}
    for case in record.cases:
        stages = {
            "features": features_of(preprocess, case.name, case.raw),  # type: ignore[arg-type]
            "outputs": outputs_of(predict, case.name, case.features),  # type: ignore[arg-type]
        }
        for stage, ours in stages.items():
            bad = worst(compare_arrays(case.name, stage, ours, getattr(case, stage), record.tolerance))
            if bad and not bad.passed:
                found.setdefault(stage, set()).add(case.name)
    return found
