"""The promise: the same spec and lock give the same image, wherever, whenever and by whomever it is built."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from mlimage.cache import Cache
from support.building import IMAGE, build, project_at
from support.machine import ROOT

pytestmark = pytest.mark.network


def _expected() -> dict[str, str]:
    found: dict[str, str] = json.loads((ROOT / "tests" / "golden" / "digests" / f"{IMAGE}.json").read_text())
    return found


def test_built_again_with_a_warm_cache(tmp_path: Path, warm_cache: Cache) -> None:
    project = project_at(tmp_path)
    assert build(project, warm_cache) == build(project, warm_cache) == _expected()


@pytest.mark.parametrize(
    "env",
    [
        pytest.param({"TZ": "Pacific/Kiritimati"}, id="time zone"),
        pytest.param({"LANG": "tr_TR.UTF-8", "LC_ALL": "C", "LANGUAGE": "tr"}, id="locale"),
        pytest.param(
            {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, id="names that are not UTF-8"
        ),
        pytest.param({"PYTHONHASHSEED": "1234"}, id="hash seed"),
        pytest.param(
            {"HOME": "/nonexistent", "USER": "somebody", "HOSTNAME": "elsewhere"}, id="home and names"
        ),
        pytest.param({"SOURCE_DATE_EPOCH": "1", "PYTHONOPTIMIZE": "2"}, id="variables of other tools"),
    ],
)
def test_in_another_environment(tmp_path: Path, warm_cache: Cache, env: Mapping[str, str]) -> None:
    assert build(project_at(tmp_path), warm_cache, env=env) == _expected()


def test_on_another_path_with_another_umask(tmp_path: Path, warm_cache: Cache) -> None:
    project = project_at(tmp_path / "a folder with spaces" / "ünïcode")
    for folder, _, files in os.walk(project):
        for name in files:
            (Path(folder) / name).chmod(0o600)
    assert build(project, warm_cache, umask=0o077) == _expected()


@pytest.mark.parametrize("jobs", ["1", "7"])
def test_with_another_number_of_threads(tmp_path: Path, warm_cache: Cache, jobs: str) -> None:
    assert build(project_at(tmp_path), warm_cache, options=["--jobs", jobs]) == _expected()


@pytest.mark.namespaces
def test_as_another_user(tmp_path: Path, warm_cache: Cache) -> None:
    other = ["unshare", "--user", "--map-user=1234", "--map-group=1234"]
    assert build(project_at(tmp_path), warm_cache, prefix=other) == _expected()


@pytest.mark.faketime
def test_in_another_year(tmp_path: Path, warm_cache: Cache) -> None:
    assert build(project_at(tmp_path), warm_cache, prefix=["faketime", "-f", "+500d"]) == _expected()


def test_with_files_in_another_order(tmp_path: Path, warm_cache: Cache) -> None:
    project = tmp_path / "copied"
    original = project_at(tmp_path / "original")
    for folder, folders, files in os.walk(original, topdown=True):
        folders.sort(reverse=True)
        for name in sorted(files, reverse=True):
            source = Path(folder) / name
            target = project / source.relative_to(original)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
            target.chmod(source.stat().st_mode)
    assert build(project, warm_cache) == _expected()


def test_nothing_of_this_machine_is_in_the_image(tmp_path: Path, warm_cache: Cache) -> None:
    project = project_at(tmp_path)
    image = build(project, warm_cache)
    blobs = warm_cache.store / "blobs" / "sha256"
    manifest = (blobs / image["digest"].removeprefix("sha256:")).read_text()
    config = (blobs / image["image_id"].removeprefix("sha256:")).read_text()
    own = {str(tmp_path), str(ROOT), os.uname().nodename, str(Path.home())}
    assert [text for text in own if text in manifest + config] == []
