"""What SageMaker and Vertex AI tell, in mlimage's words."""

import json

import pytest

from mlimage.runtime.cloud import cloud_variables, hyperparameters
from mlimage.runtime.failure import StartError


def told(
    environ: dict[str, str],
    *folders: str,
    role: str | None = "train",
    data: tuple[str, ...] = ("events", "training"),
) -> dict[str, str]:
    return cloud_variables(environ, role=role, data=data, exists=lambda folder: folder in folders)


def test_outside_of_a_cloud_nothing_is_told() -> None:
    assert told({"PATH": "/bin", "AIP_MODEL_DIR": ""}) == {}


def test_sagemaker_trains() -> None:
    assert told({}, "/opt/ml/input", "/opt/ml/model", "/opt/ml/input/data/events") == {
        "MLIMAGE_DATA_EVENTS": "/opt/ml/input/data/events",
        "MLIMAGE_MODELS": "/opt/ml/model",
        "MLIMAGE_PORT": "8080",
        "MLIMAGE_HEALTH_ROUTE": "/ping",
        "MLIMAGE_PREDICT_ROUTE": "/invocations",
    }


def test_sagemaker_serves_on_the_port_that_it_asks_at() -> None:
    assert told({"SAGEMAKER_BIND_TO_PORT": "8090"}, "/opt/ml/model", role="serve")["MLIMAGE_PORT"] == "8090"


def test_vertex_trains() -> None:
    environ = {
        "AIP_MODEL_DIR": "gs://acme/run/model/",
        "AIP_TRAINING_DATA_URI": "gs://acme/rows-*",
        "AIP_TEST_DATA_URI": "gs://acme/test-*",
    }
    assert told(environ) == {
        "MLIMAGE_MODELS": "/gcs/acme/run/model",
        "MLIMAGE_DATA_TRAINING": "gs://acme/rows-*",
    }
    assert told({"AIP_MODEL_DIR": "/mnt/model"}) == {"MLIMAGE_MODELS": "/mnt/model"}


def test_vertex_serves() -> None:
    environ = {
        "AIP_HTTP_PORT": "8080",
        "AIP_HEALTH_ROUTE": "/v1/endpoints/1/health",
        "AIP_PREDICT_ROUTE": "/v1/endpoints/1:predict",
        "AIP_STORAGE_URI": "gs://acme/artifacts",
    }
    assert told(environ, role="serve") == {
        "MLIMAGE_PORT": "8080",
        "MLIMAGE_HEALTH_ROUTE": "/v1/endpoints/1/health",
        "MLIMAGE_PREDICT_ROUTE": "/v1/endpoints/1:predict",
        "MLIMAGE_MODELS": "gs://acme/artifacts",
    }
    assert "MLIMAGE_MODELS" not in told({**environ, "AIP_STORAGE_URI": ""}, role="serve")


def test_hyperparameters() -> None:
    said = {
        "epochs": "10",
        "rate": "1e-3",
        "name": '"a b"',
        "plain": "a b",
        "flag": "true",
        "layers": "[1, 2]",
        "k": "3",
        "sagemaker_region": '"eu-central-1"',
        "number": 4,
    }
    assert " ".join(hyperparameters(json.dumps(said).encode())) == (
        "--epochs 10 --flag true -k 3 --layers [1, 2] --name a b --number 4 --plain a b --rate 1e-3"
    )
    assert hyperparameters(b"{}") == ()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (b"[]", "'list' object has no attribute 'items'"),
        (b"\xff", "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
    ],
)
def test_a_file_that_is_something_else(content: bytes, why: str) -> None:
    with pytest.raises(StartError) as caught:
        hyperparameters(content)
    assert (caught.value.message, caught.value.status) == (
        f"/opt/ml/input/config/hyperparameters.json is not what SageMaker writes: {why}",
        78,
    )


def test_what_only_looks_like_json_is_a_text() -> None:
    deep = "[" * 100_000
    assert hyperparameters(json.dumps({"x": deep}).encode()) == ("-x", deep)
    with pytest.raises(StartError, match="is not what SageMaker writes: maximum recursion depth exceeded"):
        hyperparameters(deep.encode())
