"""Golden records: what an application's own functions give is recorded, with what computed it."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlimage.runtime.golden.failure import GoldenError
from mlimage.runtime.golden.record import ONE, Record, read_golden
from mlimage.runtime.golden.recorder import decoded, features_of, outputs_of, record
from mlimage.runtime.probe.operation import doubles
from mlimage.runtime.words.record import main

FEATURES = """\
import json
import os
from scaling import shift

def transform(request):
    return shift(request["rows"])
"""
SCALING = """\
import json
import os
import numpy as np

def shift(rows):
    with open(os.environ["MLIMAGE_MODELS"] + "/scaler.json") as stream:
        return np.asarray(rows, "float64") - json.load(stream)
"""
MODEL = """\
import os
import numpy as np

def scores(features):
    weights = np.load(os.environ["MLIMAGE_MODELS"] + "/model.npy")
    return {"scores": (features @ weights).astype("float32"), "best": features.argmax(axis=1)}
"""
CALLS = {"preprocess": "features:transform", "predict": "model:scores"}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An application, its trained model, and a request."""
    for name in ("app", "models", "cases", "record"):
        (tmp_path / name).mkdir()
    for name, text in {"features": FEATURES, "scaling": SCALING, "model": MODEL}.items():
        (tmp_path / f"app/{name}.py").write_text(text)
    (tmp_path / "models/scaler.json").write_text("[1.0, 2.0]")
    np.save(tmp_path / "models/model.npy", np.eye(2))
    (tmp_path / "cases/one.json").write_text('{"rows": [[1, 2], [3, 5]]}')
    monkeypatch.syspath_prepend(str(tmp_path / "app"))
    monkeypatch.setenv("MLIMAGE_MODELS", str(tmp_path / "models"))
    yield tmp_path
    for name in ("features", "scaling", "model"):
        sys.modules.pop(name, None)


def recorded(project: Path, **changes: Any) -> Record:
    return record(
        [(path.name, path.read_bytes()) for path in sorted((project / "cases").iterdir())],
        {**CALLS, **changes},
        model="model.npy",
        state=["scaler.json"],
        models=str(project / "models"),
        app=str(project / "app"),
        seed=7,
        profile="fast",
        fingerprint=lambda: {"numeric_class": "x"},
    )


def test_all_stages_and_what_computed_them(project: Path) -> None:
    found = recorded(project)
    [case] = found.cases
    assert (case.name, case.content_type, case.raw) == (
        "one.json",
        "application/json",
        b'{"rows": [[1, 2], [3, 5]]}',
    )
    assert {
        name: (values.dtype, values.shape, values.numbers()) for name, values in case.features.items()
    } == {ONE: ("float64", (2, 2), (0.0, 0.0, 2.0, 3.0))}
    assert {name: (values.dtype, values.numbers()) for name, values in case.outputs.items()} == {
        "scores": ("float32", (0.0, 0.0, 2.0, 3.0)),
        "best": ("int64", (0, 1)),
    }
    assert list(found.model) == ["model.npy"]
    # The model's module is none of the preprocessing's, though the application has it.
    assert list(found.preprocess) == ["app/features.py", "app/scaling.py", "models/scaler.json"]


def test_the_word_writes_what_is_read(project: Path) -> None:
    words = [
        "--cases",
        str(project / "cases"),
        "--to",
        str(project / "record"),
        "--app",
        str(project / "app"),
    ]
    words += ["--preprocess", CALLS["preprocess"], "--predict", CALLS["predict"]]
    assert main([*words, "--model", "model.npy", "--state", "scaler.json"]) == 0
    found = read_golden(str(project / "record"))
    assert found.cases == recorded(project).cases
    assert list(found.preprocess) == ["app/features.py", "app/scaling.py", "models/scaler.json"]
    assert found.fingerprint["numpy"]["version"] == np.__version__


def test_a_changed_scaler_and_a_changed_weight_are_seen_in_their_stage(project: Path) -> None:
    before = recorded(project)
    (project / "models/scaler.json").write_text("[1.0001, 2.0]")
    scaled = recorded(project)
    assert scaled.preprocess != before.preprocess
    assert scaled.model == before.model
    assert scaled.cases[0].features != before.cases[0].features


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"preprocess": "absent:transform"},
            "`absent:transform` cannot be had: ModuleNotFoundError: No module named 'absent'",
        ),
        (
            {"predict": "model:absent"},
            "`model:absent` cannot be had: AttributeError: module 'model' has no attribute 'absent'",
        ),
    ],
)
def test_functions_that_are_not_there(project: Path, change: dict[str, str], message: str) -> None:
    with pytest.raises(GoldenError) as caught:
        recorded(project, **change)
    assert str(caught.value) == message


def test_a_model_that_is_not_there(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "models/model.npy").unlink()
    words = ["--cases", str(project / "cases"), "--to", str(project / "record")]
    words += ["--preprocess", CALLS["preprocess"], "--predict", CALLS["predict"], "--model", "model.npy"]
    assert main(words) == 1
    assert capsys.readouterr().err == f"mlimage: {project}/models/model.npy: no such file or directory\n"
    assert not list((project / "record").iterdir())


def test_a_model_that_is_cut_off(project: Path) -> None:
    place = project / "models/model.npy"
    place.write_bytes(place.read_bytes()[:-5])
    with pytest.raises(GoldenError, match=r"\Aone\.json: outputs: ValueError: "):
        recorded(project)


def test_what_the_preprocessing_gets() -> None:
    assert decoded(b"[1]", "application/json") == [1]
    assert decoded("a,ä\n".encode(), "text/csv") == "a,ä\n"
    assert decoded(b"\x89PNG", "image/png") == b"\x89PNG"


def test_what_is_no_array() -> None:
    with pytest.raises(GoldenError) as caught:
        features_of(lambda raw: 1 / 0, "a.bin", b"")
    assert str(caught.value) == "a.bin: features: ZeroDivisionError: division by zero"
    with pytest.raises(GoldenError, match=r"\Aa\.bin: features: no array: "):
        features_of(lambda raw: [[1], [1, 2]], "a.bin", b"")


def test_a_number_is_an_array_without_axes() -> None:
    features = features_of(lambda raw: {"a": np.float64(1), "b": 2.0}, "a.bin", b"")
    assert {name: values.shape for name, values in features.items()} == {"a": (), "b": ()}
    [outputs] = outputs_of(lambda each: np.stack([each["a"], each["b"]]).sum(-1), "a.bin", features).values()
    assert (outputs.shape, outputs.numbers()) == ((), (3.0,))


@pytest.mark.parametrize("status", [0, None, "no model"])
def test_a_function_that_ends_the_process_gives_no_result(status: object) -> None:
    def ends(_: object) -> None:
        sys.exit(status)  # type: ignore[arg-type]

    with pytest.raises(GoldenError, match=r"\Aa\.bin: features: SystemExit: "):
        features_of(ends, "a.bin", b"")
    with pytest.raises(GoldenError, match=r"\Aa\.bin: outputs: SystemExit: "):
        outputs_of(ends, "a.bin", {"": doubles([1.0])})


def test_the_model_gets_features_as_they_are_recorded() -> None:
    seen: list[dict[str, Any]] = []

    def predict(arrays: dict[str, Any]) -> float:
        seen.append(arrays)
        return 1.0

    features = features_of(
        lambda raw: {"b": np.array([1.5], "float32"), "a": np.array(["x", "yz"])}, "a.bin", b""
    )
    outputs_of(predict, "a.bin", features)
    assert {name: (str(array.dtype), array.tolist()) for name, array in seen[0].items()} == {
        "b": ("float32", [1.5]),
        "a": ("<U2", ["x", "yz"]),
    }
