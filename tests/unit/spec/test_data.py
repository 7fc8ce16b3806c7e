"""What `data:` may say: names, or names with places."""

import pytest

from mlimage.errors import SpecError
from mlimage.spec.load import parse_spec

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
        ("  - 5\n", "6:5: data: `5` without quotes is a number in YAML, and text is meant here"),
        ("  train\n", "6:3: data: expected a list, not `train`"),
    ],
)
def test_wrong_data(text: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        _data(text)
    assert str(caught.value).partition("\n")[0] == f"images/digits/mlimage.yaml:{message}"
