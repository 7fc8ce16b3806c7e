"""A record held against an application: what changed is seen in its stage, and its file is named."""

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlimage.runtime.golden.check import check
from mlimage.runtime.golden.compare import STAGES
from mlimage.runtime.golden.failure import GoldenError
from mlimage.runtime.golden.frozen import frozen_preprocess
from mlimage.runtime.golden.record import Record, write_golden
from mlimage.runtime.golden.recorder import record
from mlimage.runtime.words.verify import main

APP = {
    "features": "import json, os\nimport numpy as np\n"
    "with open(os.environ['MLIMAGE_MODELS'] + '/scaler.json') as stream:\n    SCALE = json.load(stream)\n"
    "def transform(request):\n    return np.asarray(request['rows'], 'float64') / SCALE\n",
    "model": "import os\nimport numpy as np\n"
    "def scores(features):\n    return features @ np.load(os.environ['MLIMAGE_MODELS'] + '/model.npy')\n",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name in ("app", "models", "record"):
        (tmp_path / name).mkdir()
    for name, text in APP.items():
        (tmp_path / f"app/{name}.py").write_text(text)
    (tmp_path / "models/scaler.json").write_text("16")
    np.save(tmp_path / "models/model.npy", np.array([[1.0, 2.0], [3.0, 4.0]]))
    monkeypatch.syspath_prepend(str(tmp_path / "app"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("MLIMAGE_MODELS", str(tmp_path / "models"))
    yield tmp_path
    forget()


def forget() -> None:
    for name in APP:
        sys.modules.pop(name, None)


@pytest.fixture
def golden(project: Path) -> Record:
    return recorded(project)


def recorded(project: Path) -> Record:
    found = record(
        [("one.json", b'{"rows": [[1, 2]]}'), ("two.json", b'{"rows": [[3, 5], [8, 13]]}')],
        {"preprocess": "features:transform", "predict": "model:scores"},
        model="model.npy",
        state=["scaler.json"],
        models=str(project / "models"),
        app=str(project / "app"),
        seed=0,
        profile="fast",
        fingerprint=dict,
    )
    write_golden(found, str(project / "record"))
    forget()
    return found


def weight(project: Path) -> None:
    np.save(project / "models/model.npy", np.array([[1.0, 2.0], [3.0, 4.001]]))


def truncated(project: Path) -> None:
    file = project / "models/model.npy"
    file.write_bytes(file.read_bytes()[:-1])


def scaler(project: Path) -> None:
    (project / "models/scaler.json").write_text("15")


def source(project: Path) -> None:
    (project / "app/features.py").write_text(APP["features"].replace("/ SCALE", "/ SCALE - 1e-4"))


def comment(project: Path) -> None:
    (project / "app/features.py").write_text(APP["features"] + "# harmless\n")


def gone(project: Path) -> None:
    (project / "app/features.py").unlink()


OTHER = "it is not the file of the record"


@pytest.mark.parametrize(
    ("change", "failing", "changed"),
    [
        (lambda _: None, set(), {}),
        (weight, {"outputs"}, {"model": {"models/model.npy": OTHER}}),
        (truncated, {"outputs"}, {"model": {"models/model.npy": OTHER}}),
        (scaler, {"features"}, {"preprocess": {"models/scaler.json": OTHER}}),
        (source, {"features"}, {"preprocess": {"app/features.py": OTHER}}),
        (comment, set(), {"preprocess": {"app/features.py": OTHER}}),
        (gone, {"features"}, {"preprocess": {"app/features.py": "it cannot be read"}}),
    ],
)
def test_what_changed_fails_in_its_stage(
    change: Callable[[Path], None],
    failing: set[str],
    changed: dict[str, dict[str, str]],
    project: Path,
    golden: Record,
) -> None:
    change(project)
    found = check(golden, STAGES[:2], models=str(project / "models"), app=str(project / "app"))
    assert {verdict.stage for verdict in found.verdicts if not verdict.passed} == failing
    assert found.changed == changed
    assert [(each.stage, each.case) for each in found.verdicts] == [
        (stage, case) for stage in STAGES[:2] for case in ("one.json", "two.json")
    ]


def test_what_cannot_be_computed_says_why(project: Path, golden: Record) -> None:
    gone(project)
    found = check(golden, ["features"], models=str(project / "models"), app=str(project / "app"))
    assert {each.why for each in found.verdicts} == {
        "`features:transform` cannot be had: ModuleNotFoundError: No module named 'features'"
    }
    truncated(project)
    found = check(golden, ["outputs"], models=str(project / "models"), app=str(project / "app"))
    assert {each.why.partition(":")[0] for each in found.verdicts} == {"ValueError"}


def said(project: Path, *words: str) -> int:
    return main(["--golden", str(project / "record"), "--app", str(project / "app"), *words])


@pytest.mark.usefixtures("golden")
def test_the_word(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(project) == 0
    assert capsys.readouterr().out == (
        "features: 2 of 2 arrays are as recorded\noutputs: 2 of 2 arrays are as recorded\n"
    )
    assert said(project, "--json", "--stage", "outputs") == 0
    value = json.loads(capsys.readouterr().out)
    assert (value["schema"], value["passed"], value["changed"]) == ("mlimage/check/1", True, {})
    assert value["verdicts"][0] == {
        "case": "one.json",
        "stage": "outputs",
        "what": "output",
        "word": "identical",
        "error": 0.0,
        "tolerance": 1e-10,
        "why": "",
    }
    assert value["fingerprint"]["numpy"]["version"] == np.__version__


@pytest.mark.usefixtures("golden")
def test_the_word_fails(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weight(project)
    assert said(project) == 8
    assert capsys.readouterr().out == (
        "model: models/model.npy: it is not the file of the record\n"
        "outputs `output` of case `one.json`: off by 0.0002, and 1e-10 is allowed\n"
        "outputs `output` of case `two.json`: off by 0.00019, and 1e-10 is allowed\n"
        "features: 2 of 2 arrays are as recorded\n"
        "outputs: 0 of 2 arrays are as recorded\n"
        "outputs: only column 1 of 2 differs\n"
    )


PRINTS = (
    "import os, subprocess\nimport numpy as np\n"
    "def scores(features):\n    print('1/1 [=====]')\n    os.write(1, b'from a library')\n"
    "    subprocess.run(['echo', 'from a process'])\n"
    "    return features @ np.load(os.environ['MLIMAGE_MODELS'] + '/model.npy')\n"
)


@pytest.mark.usefixtures("golden")
def test_what_the_application_prints_is_no_part_of_what_the_word_says(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (project / "app/model.py").write_text(PRINTS)
    forget()
    assert said(project, "--json", "--stage", "outputs") == 0
    told = capfd.readouterr()
    assert json.loads(told.out)["passed"] is True
    for line in ("1/1 [=====]", "from a library", "from a process"):
        assert line in told.err


@pytest.mark.usefixtures("golden")
def test_a_model_that_ends_the_process_fails(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "app/model.py").write_text("import sys\ndef scores(features):\n    sys.exit(0)\n")
    forget()
    assert said(project, "--stage", "outputs") == 8
    assert "outputs of case `one.json`: SystemExit: 0\n" in capsys.readouterr().out


def test_the_word_without_a_record(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(project) == 1
    assert capsys.readouterr().err == (
        f"mlimage: {project}/record/manifest.json: there is no golden record\n"
    )


def loaded(
    project: Path, function: str | None = "features:transform", *, training: bool = False
) -> Callable[[Any], Any]:
    models, app, folder = (str(project / name) for name in ("models", "app", "record"))
    return frozen_preprocess(function, training=training, models=models, app=app, folder=folder)


def test_the_frozen_preprocessing(project: Path, golden: Record) -> None:
    for function in (None, golden.calls["preprocess"]):
        assert loaded(project, function)({"rows": [[16, 32]]}).tolist() == [[1.0, 2.0]]


TENSOR = """\
class Type:
    name = "float32"
    def __str__(self):
        return "<dtype: 'float32'>"
class Tensor:  # as TensorFlow's
    def __init__(self, array):
        self.array, self.dtype, self.shape = array, Type(), array.shape
    def __array__(self, *_, **__):
        return self.array
"""


@pytest.mark.parametrize(
    ("more", "given"),
    [
        ("", "{0: rows, 'b': rows}"),
        (TENSOR, "{'a': Tensor(rows.astype('float32'))}"),
        ("", "np.array(['x', 'longer'] if len(rows) > 1 else ['y'])"),
    ],
)
def test_what_can_be_recorded_can_be_served(project: Path, more: str, given: str) -> None:
    (project / "app/features.py").write_text(
        f"import numpy as np\n{more}"
        f"def transform(request):\n    rows = np.asarray(request['rows'], 'float64')\n    return {given}\n"
    )
    (project / "app/model.py").write_text("def scores(features):\n    return 1.0\n")
    recorded(project)
    serve = loaded(project)
    serve({"rows": [[1, 2]]})
    serve({"rows": [[1, 2], [3, 4]]})


@pytest.mark.parametrize("change", [source, comment, scaler])
def test_another_preprocessing_is_none_of_the_record(
    project: Path, golden: Record, change: Callable[[Path], None]
) -> None:
    change(project)
    with pytest.raises(GoldenError) as caught:
        loaded(project)
    file = "models/scaler.json" if change is scaler else "app/features.py"
    assert str(caught.value) == f"the preprocessing is not the frozen one: `{file}`: {OTHER}"
    # Training fits it anew, and what it fitted serves with the model that it trained.
    loaded(project, training=True)
    if change is scaler:
        weight(project)
        assert loaded(project)({"rows": [[15, 30]]}).tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("'float64') / SCALE", "'float32')", "features are float32, and in the golden record float64"),
        (
            "'float64') / SCALE",
            "'float64')[:, :1]",
            "features are of shape (1, 1), and in the golden record (n, 2)",
        ),
        (
            "return np.asarray(request['rows'], 'float64') / SCALE",
            "return {'rows': np.asarray(request['rows'])}",
            "the features are `rows`, and in the golden record one array",
        ),
    ],
)
def test_features_of_another_form(
    project: Path, golden: Record, before: str, after: str, message: str
) -> None:
    file = project / "app/features.py"
    file.write_text(file.read_text().replace(before, after))
    again = {**golden.preprocess, "app/features.py": hashlib.sha256(file.read_bytes()).hexdigest()}
    write_golden(golden._replace(preprocess=again), str(project / "record"))
    with pytest.raises(ValueError, match="golden record") as caught:
        loaded(project)({"rows": [[1, 2]]})
    assert str(caught.value) == message


def test_without_a_record(project: Path) -> None:
    assert loaded(project)({"rows": [[16]]}).tolist() == [[1.0]]
    with pytest.raises(
        GoldenError, match="no golden record says which one: name it, as `features:transform`"
    ):
        loaded(project, None)


def test_a_record_of_another_function(project: Path, golden: Record) -> None:
    with pytest.raises(GoldenError, match="the golden record is of `features:transform`, and not of `a:b`"):
        loaded(project, "a:b")
