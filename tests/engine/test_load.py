"""`mlimage build --load` as a user has it: the shipped image, and then a small change of it."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mlimage.cache import Cache
from support.building import IMAGE, MLIMAGE, project_at
from support.machine import Engine

pytestmark = pytest.mark.network


def build(project: Path, cache: Cache, engine: Engine) -> dict[str, Any]:
    done = subprocess.run(
        (MLIMAGE, "build", "--no-check", IMAGE, "--load", "--json"),
        cwd=project,
        env={**engine.environ, "MLIMAGE_CACHE": str(cache.root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    [image] = json.loads(done.stdout)
    found: dict[str, Any] = image
    return found


def test_after_a_small_change_kilobytes_move(engine: Engine, warm_cache: Cache, tmp_path: Path) -> None:
    project = project_at(tmp_path)
    before = build(project, warm_cache, engine)
    assert before["loaded"]["id"] == before["digest"]
    assert before["loaded"]["reference"] == f"{IMAGE}:cpu"
    train = project / "images" / IMAGE / "app/digits/train.py"
    train.write_text(train.read_text() + f"# changed by process {os.getpid()}\n")
    after = build(project, warm_cache, engine)
    [changed] = [layer for layer in after["layers"] if layer["made"]]
    documents = after["loaded"]["moved"] - changed["size"]
    assert after["loaded"]["way"] == "pulled"
    assert 0 < documents < 40_000  # manifest and configuration
    assert after["loaded"]["moved"] < 100_000
    again = build(project, warm_cache, engine)
    assert (again["loaded"]["way"], again["loaded"]["moved"]) == ("there", 0)


def test_no_engine_is_said_before_anything_is_built(warm_cache: Cache, tmp_path: Path) -> None:
    done = subprocess.run(
        (MLIMAGE, "build", "--no-check", IMAGE, "--load"),
        cwd=project_at(tmp_path),
        env={**os.environ, "MLIMAGE_CACHE": str(warm_cache.root), "DOCKER_HOST": "unix:///no/such.sock"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (
        10,
        "",
        (
            "error: no Docker daemon answers at unix:///no/such.sock: no such file or directory\n"
            "hint: start it (`sudo systemctl start docker`), or let DOCKER_HOST say where one is\n"
        ),
    )
    assert not warm_cache.store.exists()
