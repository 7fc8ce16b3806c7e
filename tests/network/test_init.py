"""What `mlimage init` makes is locked, built and trained as it is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def _mlimage(project: Path, *arguments: str) -> str:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "MLIMAGE_CACHE": str(project / "cache"),
    }
    done = subprocess.run(
        (sys.executable, "-m", "mlimage", *arguments),
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.network
@pytest.mark.namespaces
def test_a_new_image_is_locked_built_and_trained(tmp_path: Path) -> None:
    for arguments in (("init",), ("lock",), ("build",)):
        _mlimage(tmp_path, *arguments, "churn")
    said = _mlimage(tmp_path, "run", "churn", "--runtime", "sandbox", "train")
    assert said == "root mean square error 0.1021; model written to /models/model.npz\n"
