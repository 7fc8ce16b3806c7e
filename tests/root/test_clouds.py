"""Containers as SageMaker and Vertex AI start them: the real entry point, and a real `/opt/ml`."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from support.machine import ROOT

pytestmark = pytest.mark.namespaces

PRINT = "import json, os, sys; print(json.dumps([sys.argv[1:], dict(os.environ)]))"
MAIN = "import sys; from mlimage.runtime.start import main; main(sys.argv[2:], sys.argv[1])"
MOUNT = 'mount -t tmpfs none /opt && mkdir /opt/ml && mount --rbind "$0" /opt/ml && exec "$@"'


class Job:
    """A folder that becomes `/opt/ml`, and an image that trains, serves and reads `events`."""

    def __init__(self, folder: Path) -> None:
        self.ml = folder / "ml"
        self.ml.mkdir()
        self._roles = folder / "roles.json"
        self.write_roles()

    def write_roles(self, **determinism: Any) -> None:
        role = {"command": [sys.executable, "-c", PRINT], "env": {}}
        said = {
            "train": role,
            "serve": {**role, "port": 9000, "health": "/healthz"},
            "data": ["events", "users"],
            "determinism": {"profile": "fast", "seed": 0, **determinism},
        }
        self._roles.write_text(json.dumps(said))

    def file(self, path: str, content: str = "") -> None:
        (self.ml / path).parent.mkdir(parents=True, exist_ok=True)
        (self.ml / path).write_text(content)

    def start(
        self, *arguments: str, sagemaker: bool = True, **env: str
    ) -> "subprocess.CompletedProcess[str]":
        own = ["unshare", "--mount", *(() if os.geteuid() == 0 else ("--user", "--map-root-user"))]
        enter: Sequence[str] = [*own, "sh", "-c", MOUNT, str(self.ml)] if sagemaker else []
        return subprocess.run(
            [*enter, os.path.realpath(sys.executable), "-c", MAIN, str(self._roles), *arguments],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "builder"), **env},
            capture_output=True,
            text=True,
            check=False,
        )

    def says(self, *arguments: str, sagemaker: bool = True, **env: str) -> tuple[list[str], dict[str, str]]:
        done = self.start(*arguments, sagemaker=sagemaker, **env)
        assert (done.returncode, done.stderr) == (0, "")
        given, found = json.loads(done.stdout)
        return given, {name[8:]: value for name, value in found.items() if name.startswith("MLIMAGE_")}


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)


@pytest.fixture
def training(job: Job) -> Job:
    """What SageMaker lays down for a training job."""
    job.file(
        "input/config/hyperparameters.json", '{"epochs": "3", "name": "\\"a b\\"", "sagemaker_job": "x"}'
    )
    job.file("input/config/inputdataconfig.json", "{}")
    job.file("input/data/events/part-0.csv", "1,2\n")
    (job.ml / "model").mkdir()
    (job.ml / "output").mkdir()
    return job


def test_a_training_job_of_sagemaker(training: Job) -> None:
    arguments, found = training.says("train", TRAINING_JOB_NAME="job-1")
    assert arguments == ["--epochs", "3", "--name", "a b"]
    assert (found["ROLE"], found["MODELS"]) == ("train", "/opt/ml/model")
    assert (found["DATA_EVENTS"], found["DATA_USERS"]) == ("/opt/ml/input/data/events", "/data/users")
    assert training.says("train", "--epochs", "5")[0] == ["--epochs", "3", "--name", "a b", "--epochs", "5"]


def test_a_training_that_cannot_start_says_why_where_sagemaker_looks(training: Job) -> None:
    training.write_roles(requires="cuda")
    done = training.start("train")
    reason = (training.ml / "output/failure").read_text()
    assert (done.returncode, done.stderr) == (78, f"mlimage: {reason}\n")
    assert reason.startswith("the image requires a GPU (`require: cuda`)")
    training.file("input/config/hyperparameters.json", "[")
    assert training.start("train").returncode == 78
    assert (
        (training.ml / "output/failure")
        .read_text()
        .startswith("/opt/ml/input/config/hyperparameters.json is not what SageMaker writes: ")
    )


def test_an_endpoint_of_sagemaker(job: Job) -> None:
    job.file("model/model.bin")
    arguments, found = job.says("serve")
    assert arguments == []
    assert [found[name] for name in ("ROLE", "MODELS", "PORT", "HEALTH_ROUTE", "PREDICT_ROUTE")] == [
        "serve",
        "/opt/ml/model",
        "8080",
        "/ping",
        "/invocations",
    ]
    assert job.says("serve", SAGEMAKER_BIND_TO_PORT="8090")[1]["PORT"] == "8090"


def test_vertex_ai(job: Job) -> None:
    environ = {
        "AIP_HTTP_PORT": "8080",
        "AIP_HEALTH_ROUTE": "/v1/endpoints/1/deployedModels/2",
        "AIP_PREDICT_ROUTE": "/v1/endpoints/1/deployedModels/2:predict",
        "AIP_STORAGE_URI": "",
    }
    _, found = job.says(sagemaker=False, **environ)  # without arguments, as it calls images
    assert [found[name] for name in ("ROLE", "MODELS", "PORT", "HEALTH_ROUTE", "PREDICT_ROUTE")] == [
        "serve",
        "/models",
        *(environ[f"AIP_{name}"] for name in ("HTTP_PORT", "HEALTH_ROUTE", "PREDICT_ROUTE")),
    ]
    arguments, found = job.says(
        "train", "--epochs=3", sagemaker=False, AIP_MODEL_DIR="gs://acme/job/model/", CLOUD_ML_JOB_ID="1"
    )
    assert (arguments, found["MODELS"]) == (["--epochs=3"], "/gcs/acme/job/model")
