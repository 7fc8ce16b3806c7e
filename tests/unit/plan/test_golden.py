"""The layer of model and golden record: only where one is recorded, under one digest."""

from dataclasses import replace

from mlimage.digest import Digest
from mlimage.plan.decide import plan
from mlimage.plan.model import AppLayer, GoldenLayer
from mlimage.spec.load import LoadedSpec, parse_spec
from support.locks import lock

SPEC = b"""
name: x
python: "3.11"
base: {debian: bookworm}
train: {command: python train.py}
serve: {command: python serve.py}
golden: {preprocess: 'features:transform', predict: 'model:scores', model: model.npz}
"""


def loaded() -> LoadedSpec:
    return LoadedSpec(
        spec=parse_spec(SPEC, path="images/x/mlimage.yaml", folder="x"), requirements=(), ignore=()
    )


def test_without_a_record_there_is_no_layer() -> None:
    found = plan(loaded(), lock())
    assert isinstance(found.layers[-1], AppLayer)
    assert "dev.mlimage.golden" not in dict(found.config.labels)


def test_the_record_is_on_top_and_its_digest_is_a_label() -> None:
    found = plan(replace(loaded(), golden=b"{}"), lock())
    digest = Digest.of(b"{}")
    assert found.layers[-1] == GoldenLayer(
        name="golden-record", source="../../lockfiles/x/golden", digest=digest
    )
    assert dict(found.config.labels)["dev.mlimage.golden"] == digest
    assert list(found.config.labels) == sorted(found.config.labels)


def test_an_image_that_only_trains_has_none() -> None:
    recorded = replace(loaded(), golden=b"{}")
    assert plan(recorded, lock(), "train") == plan(loaded(), lock(), "train")
    assert isinstance(plan(recorded, lock(), "serve").layers[-1], GoldenLayer)
