"""What `data:` may say: names, or names with places."""

import pytest

from mlimage.errors import SpecError
from mlimage.spec.load import parse_spec
from mlimage.spec.model import ImageSpec
from mlimage.spec.places import Models, app_places

PLACED = b"""\
name: digits
python: "3.11"
base: {debian: bookworm}
train: {command: python train.py}
data:
"""


def _data(text: str) -> object:
    return parse_spec(PLACED + text.encode(), path="images/digits/mlimage.yaml", folder="digits").data


def test_places_of_data() -> None:
    found = _data("  train-set: {local: data/train, cloud: 's3://acme/train'}\n  test-set: {}\n")
    assert found == {"train-set": {"local": "data/train", "cloud": "s3://acme/train"}, "test-set": {}}
    assert _data("  - train-set\n") == ("train-set",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "  Train: {}\n",
            (
                "6:3: data.Train: `Train` cannot be the name of data, which is in the name of a folder and "
                "of a variable"
            ),
        ),
        (
            "  train: {The Cloud: x}\n",
            "6:11: data.train.The Cloud: `The Cloud` cannot be the word for a surrounding",
        ),
        (
            "  train: {cloud: 'ftp://me:pw@example.com/x'}\n",
            "6:18: data.train.cloud: an address with a password: secrets have no place in a spec",
        ),
        ("  train: {cloud: ' '}\n", "6:18: data.train.cloud: not a place of data"),
        ("  train: data/train\n", "6:10: data.train: expected keys and values, not `data/train`"),
        (
            "  train-set: {cloud: 's3://a/b'}\n  train_set: {}\n",
            "7:14: data.train_set: `train_set` has the same variable as `train-set`",
        ),
        ("  - 5\n", "6:5: data: `5` without quotes is a number in YAML, and text is meant here"),
        ("  train\n", "6:3: data: expected a list, not `train`"),
    ],
)
def test_wrong_data(text: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        _data(text)
    assert str(caught.value).partition("\n")[0] == f"images/digits/mlimage.yaml:{message}"


def _spec(text: str) -> ImageSpec:
    return parse_spec(PLACED[:-6] + text.encode(), path="images/digits/mlimage.yaml", folder="digits")


def test_places_in_the_application() -> None:
    found = _spec(
        "data: {rows: {at: ./data//rows.csv, cloud: 's3://acme/rows'}, users: {local: x}}\n"
        "models: {at: models/, files: [out/model.pkl]}\n"
    )
    assert app_places(found.models, found.data) == (
        ("data/rows.csv", "/data/rows"),
        ("models", "/models"),
        ("out/model.pkl", "/models/model.pkl"),
    )
    assert app_places(Models(), ("rows",)) == ()
    found = _spec("models: {at: [logs/, out/checkpoints]}\n")
    assert app_places(found.models, ()) == (("logs", "/models"), ("out/checkpoints", "/models"))


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "data: {rows: {at: /data/rows.csv}}\n",
            "5:19: data.rows.at: `/data/rows.csv` is not a path in the application",
            "write it relative to `app.source`, with `/`",
        ),
        (
            "data: {rows: {at: data/../rows.csv}}\n",
            "5:19: data.rows.at: `data/../rows.csv` is not a place inside the application",
            "name a file or folder below `app.source`, as `models`",
        ),
        (
            "models: {at: ./}\n",
            "5:14: models.at: `./` is not a place inside the application",
            "name a file or folder below `app.source`, as `models`",
        ),
        (
            "models: {at: 'models '}\n",
            "5:14: models.at: `models ` is not a path in the application",
            "write it relative to `app.source`, with `/`",
        ),
        (
            "data: {rows: {at: out}}\nmodels: {at: out/}\n",
            "5:19: data.rows.at: `out` is the place of `models.at` already",
            "choose another place",
        ),
        (
            "data: {a: {at: data}, b: {at: data/b.csv}}\n",
            "5:31: data.b.at: `data/b.csv` is within `data`: `data.a.at` has one of the two places",
            "choose a place beside it",
        ),
        (
            "models: {at: out/x, files: [out]}\n",
            "5:29: models.files: `out/x` is within `out`: `models.at` has one of the two places",
            "choose a place beside it",
        ),
        (
            "models: {files: [a/model.pkl, b/model.pkl]}\n",
            "5:31: models.files: `b/model.pkl` and `a/model.pkl` would be one file in `/models`",
            "let the program give one of them another name",
        ),
        (
            "models: {at: [logs, logs/]}\n",
            "5:21: models.at: `logs/` is the place of `models.at` already",
            "choose another place",
        ),
        (
            "models: {at: 5}\n",
            "5:14: models.at: expected a list, not a number",
            "write `at: [5]`",
        ),
        (
            "models: models\n",
            "5:9: models: expected keys and values, not `models`",
            None,
        ),
    ],
)
def test_wrong_places_in_the_application(text: str, message: str, hint: str | None) -> None:
    with pytest.raises(SpecError) as caught:
        _spec(text)
    [problem] = caught.value.problems
    assert (str(problem), problem.hint) == (f"images/digits/mlimage.yaml:{message}", hint)
