"""The wheel of mlimage, built and installed into an empty environment, works without the checkout."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from mlimage import __version__
from mlimage.cache import Cache
from support.machine import ROOT

pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    _run((sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)), cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `mlimage` of an empty environment with the wheel, and with what it needs in locked versions."""
    folder = tmp_path_factory.mktemp("installed")
    _run((sys.executable, "-m", "venv", "--without-pip", str(folder)))
    pip = (
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(folder / "bin" / "python"),
        "install",
        "-qq",
        "--no-compile",
    )
    _run((*pip, "--constraint", str(_constraints(tmp_path_factory.mktemp("constraints"))), str(wheel)))
    return folder / "bin" / "mlimage"


def _constraints(folder: Path) -> Path:
    """The locked versions without their hashes: with them pip would want the hash of the wheel, too."""
    lines = (ROOT / "builder" / "requirements.txt").read_text().splitlines()
    pins = [line.removesuffix("\\").strip() for line in lines if line[:1].isalnum()]
    path = folder / "constraints.txt"
    path.write_text("".join(f"{pin}\n" for pin in pins))
    return path


def _run(
    command: tuple[str, ...],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    status: int = 0,
) -> str:
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def _environment(**variables: str) -> dict[str, str]:
    """As a user has it: nothing that points into the checkout."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")} | variables


def test_the_wheel_holds_the_package_and_what_travels_with_it(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    package = {
        str(path.relative_to(ROOT / "builder"))
        for part in ("mlimage", "mlimage_runtime")
        for path in (ROOT / "builder" / part).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    templates = {
        f"mlimage/templates/{path.relative_to(ROOT / 'templates')}"
        for path in (ROOT / "templates").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    metadata = {
        f"mlimage_builder-{__version__}.dist-info/{name}"
        for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    }
    assert names == package | templates | metadata


def test_the_wheel_is_the_same_each_time(wheel: Path, tmp_path: Path) -> None:
    _run((sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)), cwd=ROOT)
    (again,) = tmp_path.glob("*.whl")
    assert again.read_bytes() == wheel.read_bytes()


def test_help_and_version(installed: Path, tmp_path: Path) -> None:
    env = _environment()
    assert _run((str(installed), "--version"), cwd=tmp_path, env=env) == f"mlimage {__version__}\n"
    assert "Verbs:" in _run((str(installed), "--help"), cwd=tmp_path, env=env)


def test_schema_is_the_committed_one(installed: Path, tmp_path: Path) -> None:
    said = _run((str(installed), "schema"), cwd=tmp_path, env=_environment())
    assert said == (ROOT / "docs" / "mlimage.schema.json").read_text()


def test_a_new_image_locks_builds_trains_and_is_looked_into(
    installed: Path, tmp_path: Path, warm_cache: Cache
) -> None:
    env = _environment(MLIMAGE_CACHE=str(warm_cache.root))
    folder = tmp_path / "project"
    folder.mkdir()

    def mlimage(*arguments: str) -> str:
        return _run((str(installed), *arguments), cwd=folder, env=env)

    mlimage("init", "first")
    mlimage("lock", "first")
    mlimage("lock", "first", "--check")
    mlimage("build", "first")
    image = json.loads(mlimage("inspect", "first", "--json"))
    assert image["digest"].startswith("sha256:")


@pytest.mark.namespaces
def test_the_new_image_trains(installed: Path, tmp_path: Path, warm_cache: Cache) -> None:
    env = _environment(MLIMAGE_CACHE=str(warm_cache.root))
    folder = tmp_path / "project"
    folder.mkdir()
    for arguments in (
        ("init", "first"),
        ("lock", "first"),
        ("build", "first"),
        ("run", "first", "train", "--runtime", "sandbox"),
    ):
        _run((str(installed), *arguments), cwd=folder, env=env)
    assert any((folder / "models").rglob("*"))
