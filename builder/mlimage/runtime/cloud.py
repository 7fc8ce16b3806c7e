"""What the managed services of the clouds tell a container, in mlimage's own variables.

Vertex AI: https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements (`AIP_*`).
SageMaker: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms.html (folders under `/opt/ml`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlimage.runtime.places import data_variable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_BUCKET = "gs://"
_SAGEMAKER = "/opt/ml"


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
    found: dict[str, str] = {}
    if exists(f"{_SAGEMAKER}/model") or exists(f"{_SAGEMAKER}/input"):
        found["MLIMAGE_MODELS"] = f"{_SAGEMAKER}/model"
        for name in data:
            channel = f"{_SAGEMAKER}/input/data/{name}"
            if exists(channel):
                found[data_variable(name)] = channel
    for theirs, ours in (
        ("SAGEMAKER_BIND_TO_PORT", "MLIMAGE_PORT"),
        ("AIP_HTTP_PORT", "MLIMAGE_PORT"),
        ("AIP_HEALTH_ROUTE", "MLIMAGE_HEALTH_ROUTE"),
        ("AIP_PREDICT_ROUTE", "MLIMAGE_PREDICT_ROUTE"),
    ):
        if environ.get(theirs):
            found[ours] = environ[theirs]
    folder = environ.get("AIP_MODEL_DIR", "")
    if folder.startswith(_BUCKET) and role != "serve":
        # Training jobs have their buckets mounted under /gcs; servers do not.
        found["MLIMAGE_MODELS"] = "/gcs/" + folder[len(_BUCKET) :].rstrip("/")
    elif folder and not folder.startswith(_BUCKET):
        found["MLIMAGE_MODELS"] = folder
    return found
