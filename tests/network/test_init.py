"""What `mlimage init` makes, from whatever source, is locked, built, trained and served as it is."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from mlimage.cache import Cache
from support.wheels import make_wheel

SOURCES = {
    "requirements.txt": "idna<4\n",
    "environment.yml": "dependencies: [python=3.11, idna<4]\n",
    "pyproject.toml": '[project]\nname = "x"\nrequires-python = ">=3.11"\ndependencies = ["idna<4"]\n',
    "venv/lib/python3.11/site-packages/idna-3.10.dist-info/METADATA": "Name: idna\nVersion: 3.10\n",
}


def _mlimage(
    project: Path, cache: Cache, *arguments: str, status: int = 0, mirrors: Mapping[str, str] | None = None
) -> tuple[str, str]:
    environment = {
        **os.environ,
        **(mirrors or {}),
        "PYTHONPATH": os.pathsep.join(sys.path),
        "MLIMAGE_CACHE": str(cache.root),
    }
    done = subprocess.run(
        (sys.executable, "-m", "mlimage", *arguments),
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return done.stdout, done.stderr


@pytest.mark.network
@pytest.mark.namespaces
def test_a_new_image_is_locked_built_and_trained(tmp_path: Path, warm_cache: Cache) -> None:
    def mlimage(*arguments: str, status: int = 0) -> tuple[str, str]:
        return _mlimage(tmp_path, warm_cache, *arguments, status=status)

    names = ["churn"]
    mlimage("init", "churn")
    for path, text in SOURCES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
        source = path.partition("/")[0]
        names.append(f"from-{source.partition('.')[0]}")
        mlimage("init", names[-1], "--from", source)
    mlimage("lock")
    mlimage("build", "--no-load")
    _, said = mlimage("run", "churn", "--runtime", "sandbox", "serve", "--port", "0", status=10)
    assert said.splitlines()[-3:] == [
        "no model at /models/model.npz: train first",
        "error: `churn:cpu` ended with status 1 before it was healthy",
        "hint: its last lines above should say why",
    ]
    for name in names:
        said, _ = mlimage("run", name, "--runtime", "sandbox", "train")
        assert said == "root mean square error 0.1021; model written to /models/model.npz\n"
    words = ("--runtime", "sandbox", "--json", "--quiet", "--", "sh", "-c", "echo out; exit 7")
    told, said = mlimage("run", "churn", *words, status=7)
    assert (json.loads(told)["exit_status"], said) == (7, "out\n")
    mlimage("freeze", "churn", "--runtime", "sandbox")
    mlimage("build", "--no-load", "churn")
    said, _ = mlimage("verify", "churn", "--runtime", "sandbox", "--serve")
    assert said.endswith("\nPASS: 6 of 6 parts\n")
    for name in names[1:]:
        said, _ = mlimage("inspect", name)
        assert [line.split()[1] for line in said.splitlines() if line.startswith("python ")] == [
            "idna",
            "numpy",
        ]


@pytest.mark.network
def test_a_freeze_with_builds_for_cuda_is_locked(tmp_path: Path, warm_cache: Cache) -> None:
    """Both variants get the release of the freeze, each in the build of its own index."""
    for build in ("cpu", "cu121"):
        make_wheel(tmp_path / build, "torch", f"2.3.1+{build}", {"torch.py": build.encode()})
    (tmp_path / "requirements.txt").write_text(
        "idna==3.10\nnumpy==2.2.6\nnvidia-cublas-cu12==12.1.3.1\ntorch==2.3.1+cu121\ntriton==2.3.1\n"
    )
    mirrors = {f"MLIMAGE_MIRROR_PYTORCH_{build.upper()}": str(tmp_path / build) for build in ("cpu", "cu121")}
    _, said = _mlimage(tmp_path, warm_cache, "init", "churn", "--from", "requirements.txt")
    assert said == (
        "warning: `variants`: `cpu` takes PyTorch from https://download.pytorch.org/whl/cpu and `cuda` takes "
        "PyTorch from https://download.pytorch.org/whl/cu121; remove the one that you do not need\n"
        "warning: `torch==2.3.1+cu121`: became `torch==2.3.1`; which build, each variant's index says\n"
        "warning: left out `nvidia-cublas-cu12==12.1.3.1, triton==2.3.1`: follows from the framework, and "
        "`mlimage lock` finds the versions that fit\n"
    )
    _mlimage(tmp_path, warm_cache, "lock", "churn", mirrors=mirrors)
    for variant, build in (("cpu", "cpu"), ("cuda", "cu121")):
        lock = tomllib.loads((tmp_path / "lockfiles" / "churn" / f"{variant}.toml").read_text())
        assert {package["name"]: package["version"] for package in lock["package"]} == {
            "idna": "3.10",
            "numpy": "2.2.6",
            "torch": f"2.3.1+{build}",
        }
