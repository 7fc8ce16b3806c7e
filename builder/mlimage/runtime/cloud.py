"""What the managed services of the clouds tell a container, in mlimage's own variables and arguments. Pure.

SageMaker starts `train` or `serve` and speaks through files under `/opt/ml`:
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html

Vertex AI sets `AIP_*`:
https://cloud.google.com/vertex-ai/docs/training/code-requirements#environment-variables
https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mlimage.runtime.failure import CONFIG, StartError
from mlimage.runtime.places import data_variable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HYPERPARAMETERS = "/opt/ml/input/config/hyperparameters.json"
"""Where SageMaker tells the arguments of a training."""
FAILURE = "/opt/ml/output/failure"
"""What stands there SageMaker shows as the reason why a training failed."""
_SAGEMAKER = "/opt/ml"
_BUCKET = "gs://"
_SETS = ("training", "validation", "test")
"""The parts of a managed data set of Vertex AI; data of these names is there."""


def cloud_variables(
    environ: Mapping[str, str], *, role: str | None, data: tuple[str, ...], exists: Callable[[str], bool]
) -> dict[str, str]:
    """The `MLIMAGE_…` variables that the surrounding service decides; empty outside of one.

    Args:
        environ: what the container was started with.
        role: `train`, `serve`, or None for another command.
        data: the image's data names.
        exists: whether a folder is there.
    """
    found = _sagemaker(data=data, exists=exists)
    for theirs, ours in (
        ("SAGEMAKER_BIND_TO_PORT", "MLIMAGE_PORT"),
        ("AIP_HTTP_PORT", "MLIMAGE_PORT"),
        ("AIP_HEALTH_ROUTE", "MLIMAGE_HEALTH_ROUTE"),
        ("AIP_PREDICT_ROUTE", "MLIMAGE_PREDICT_ROUTE"),
    ):
        if environ.get(theirs):
            found[ours] = environ[theirs]
    for name in _SETS:
        place = environ.get(f"AIP_{name.upper()}_DATA_URI")
        if place and name in data:
            found[data_variable(name)] = place
    # A training writes its model to the one, a server gets what was written from the other.
    models = environ.get("AIP_STORAGE_URI" if role == "serve" else "AIP_MODEL_DIR")
    if models:
        found["MLIMAGE_MODELS"] = models if role == "serve" else _mounted(models)
    return found


def _sagemaker(*, data: tuple[str, ...], exists: Callable[[str], bool]) -> dict[str, str]:
    if not (exists(f"{_SAGEMAKER}/model") or exists(f"{_SAGEMAKER}/input")):
        return {}
    channels = {name: f"{_SAGEMAKER}/input/data/{name}" for name in data}
    return {
        **{data_variable(name): channel for name, channel in channels.items() if exists(channel)},
        "MLIMAGE_MODELS": f"{_SAGEMAKER}/model",
        # Whatever the spec says: it asks nowhere else.
        "MLIMAGE_PORT": "8080",
        "MLIMAGE_HEALTH_ROUTE": "/ping",
        "MLIMAGE_PREDICT_ROUTE": "/invocations",
    }


def _mounted(address: str) -> str:
    """A training of Vertex AI has all buckets mounted under `/gcs`."""
    return "/gcs/" + address[len(_BUCKET) :].rstrip("/") if address.startswith(_BUCKET) else address


def hyperparameters(content: bytes) -> tuple[str, ...]:
    """The arguments of a training, `--name value`, from SageMaker's file of them, in order of their names.

    All values are texts. SageMaker's SDK writes them as JSON, where texts have quotes, which are taken off
    here; its own names, `sagemaker_…`, are left out.

    Raises:
        StartError: the file is not what SageMaker writes (78).
    """
    try:
        said = json.loads(content)
        named = sorted((name, _plain(value)) for name, value in said.items())
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise StartError(f"{HYPERPARAMETERS} is not what SageMaker writes: {error}", status=CONFIG) from error
    return tuple(
        word
        for name, value in named
        if not name.startswith("sagemaker_")
        for word in (f"--{name}" if len(name) > 1 else f"-{name}", value)
    )


def _plain(value: object) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    try:
        inner = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return inner if isinstance(inner, str) else value
