"""Train, freeze, build: the shipped example in the sandbox, and what is refused."""

import numpy as np
import pytest

from mlimage.runtime.golden.compare import compare_arrays, worst
from mlimage.runtime.golden.record import Record, read_golden
from mlimage.runtime.golden.recorder import features_of, outputs_of
from support.building import IMAGE
from support.frozen import Project

pytestmark = [pytest.mark.network, pytest.mark.namespaces]


def test_train_freeze_build(trained: Project) -> None:
    plain = trained.build()
    trained.freeze()
    record = read_golden(str(trained.record))
    assert len(record.cases) >= 16
    assert list(record.preprocess) == ["app/digits/__init__.py", "app/digits/preprocessing.py"]
    frozen = trained.build()
    assert frozen != plain
    # Nothing of it is of the moment: the same model gives the same record, and the same image.
    trained.freeze()
    assert trained.build() == frozen
    assert "the same digest came out" in trained.done("reproduce", IMAGE)
    # The image has its model now, without any folder.
    (trained.root / f"models/{IMAGE}").rename(trained.root / "elsewhere")
    script = (
        "from digits.preprocessing import of_request; from digits.model import scores; "
        "print(scores(of_request({'instances': [[0] * 64]})).shape)"
    )
    assert trained.done("run", IMAGE, "--runtime", "sandbox", "--", "python", "-c", script) == "(1, 10)\n"
    assert trained.build() == frozen
    # And no more when it is let go.
    trained.done("freeze", IMAGE, "--drop")
    assert trained.build() == plain


def test_what_changed_since_is_refused_by_the_next_build(trained: Project) -> None:
    trained.freeze()
    record = trained.record
    model = trained.model
    content = model.read_bytes()
    frozen = trained.build()
    model.write_bytes(content[:-1])
    done = trained.type("build", "--no-check", IMAGE, "--engine", "direct")
    # What was trained since is not in the image, and does not keep the frozen one from being built.
    assert done.returncode == 0
    assert frozen in done.stdout
    assert (
        f"the image has the frozen model, and not `models/{IMAGE}/model.npz`, which was trained since: "
        f"`mlimage freeze {IMAGE}` takes this one\n"
    ) in done.stderr
    model.write_bytes(content)
    (record / "frozen/model.npz").write_bytes(content[:-1])
    assert trained.refused("build", IMAGE, "--engine", "direct") == (
        7,
        [
            f"error: the frozen model has changed since its golden record: `{record}/frozen/model.npz`",
            f"hint: take it from version control, or `mlimage freeze {IMAGE}` records anew",
        ],
    )
    (record / "frozen/model.npz").write_bytes(content)
    manifest = record / "manifest.json"
    text = manifest.read_text()
    manifest.write_text(text.replace("1e-05", "0.99"))
    assert trained.refused("build", IMAGE, "--engine", "direct") == (
        7,
        [
            (
                f"error: `lockfiles/{IMAGE}/golden/manifest.json` is not the one that was recorded: "
                "`manifest.sha256` has another digest"
            ),
            f"hint: take the whole folder from version control, or `mlimage freeze {IMAGE}` records anew",
        ],
    )
    manifest.unlink()
    status, (error, _) = trained.refused("build", IMAGE, "--engine", "direct")
    assert (status, error) == (
        7,
        (f"error: the golden record in `lockfiles/{IMAGE}/golden` is incomplete: it has no `manifest.json`"),
    )
    manifest.write_text(text)
    assert trained.build() == frozen
    case = record / "cases/0001/outputs/output.npy"
    case.unlink()
    assert trained.refused("build", IMAGE, "--engine", "direct") == (
        7,
        [f"error: {case}: it is missing", f"hint: `mlimage freeze {IMAGE}` records anew"],
    )
    trained.freeze()
    trained.change("preprocessing.py", "/ DARKEST", "/ (DARKEST + 1)")
    assert trained.refused("build", IMAGE, "--engine", "direct") == (
        7,
        [
            f"error: the preprocessing has changed since its golden record: `{trained.app}/preprocessing.py`",
            f"hint: undo it, or begin anew: `mlimage freeze {IMAGE} --drop`, then build, train and freeze",
        ],
    )


def test_a_model_that_draws_random_numbers_is_refused(trained: Project) -> None:
    trained.change(
        "model.py", ".decision_function(rows)", ".decision_function(rows + np.random.default_rng().random())"
    )
    trained.build()
    status, (error, hint) = trained.refused("freeze", IMAGE, "--runtime", "sandbox")
    assert status == 8
    assert error.startswith(
        "error: it is not stable: the same once more, outputs `output` of case `batch.json` are off by "
    )
    assert hint == "hint: the model draws random numbers, or reads a clock or the network: leave that out"
    assert not trained.record.exists()


def test_a_model_that_asks_the_network_is_refused(trained: Project) -> None:
    trained.change(
        "model.py",
        "    return load(folder()",
        '    __import__("socket").create_connection(("192.0.2.1", 80))\n    return load(folder()',
    )
    trained.build()
    done = trained.type("freeze", IMAGE, "--runtime", "sandbox")
    assert done.returncode == 10
    assert "mlimage: batch.json: outputs: OSError: [Errno 101] Network is unreachable\n" in done.stderr
    assert not trained.record.exists()


def test_a_model_that_cannot_be_read(trained: Project) -> None:
    model = trained.model
    model.write_bytes(model.read_bytes()[:-100])
    done = trained.type("freeze", IMAGE, "--runtime", "sandbox")
    assert done.returncode == 10
    assert "mlimage: batch.json: outputs: BadZipFile: File is not a zip file\n" in done.stderr
    assert not trained.record.exists()


def test_each_fault_is_seen_in_its_stage(trained: Project) -> None:
    trained.freeze()
    record = read_golden(str(trained.record))
    with np.load(trained.model) as arrays:
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
