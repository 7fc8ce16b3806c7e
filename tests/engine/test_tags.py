"""Images for one role and for another platform: both engines give the same, and containers run them."""

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from mlimage.cache import Cache
from support.emulation import emulating
from support.machine import Engine, share_fetched
from support.steps import SPEC, Steps

pytestmark = [pytest.mark.network, pytest.mark.root, pytest.mark.emulation]

SPLIT = (
    SPEC.replace("dependencies: [idna]", "dependencies: [idna, markupsafe]").replace(
        "train: {command: python train.py}", "train: {command: python train.py, dependencies: [tqdm]}"
    )
    + """\
serve: {command: python serve.py, dependencies: [h11]}
split: true
platforms: [linux/amd64, linux/arm64]
"""
)
TAGS = ("cpu-serve", "cpu-serve-arm64", "cpu-train", "cpu-train-arm64")
APP = "import platform, sys, markupsafe._speedups, {0}\nprint(platform.machine(), {0}.__name__)\n"


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory, shared_cache: Cache) -> Steps:
    root = tmp_path_factory.mktemp("tags")
    app = root / "images" / "steps" / "app"
    app.mkdir(parents=True)
    (app / "train.py").write_text(APP.format("tqdm"))
    (app / "serve.py").write_text(APP.format("h11"))
    (app.parent / "mlimage.yaml").write_text(SPLIT)
    cache = Cache(root / "cache")
    cache.root.mkdir()
    share_fetched(shared_cache, cache)
    found = Steps(root, cache, os.environ)
    done = found.run("lock")
    assert done.returncode == 0, done.stderr
    return found


def built(project: Steps, engine: str) -> Mapping[str, str]:
    done = project.run("build", "--json", "--no-load", "--engine", engine)
    assert done.returncode == 0, done.stderr
    return {image["name"].partition(":")[2]: image["digest"] for image in json.loads(done.stdout)}


def test_both_engines_give_the_same_and_docker_runs_it(
    locked: Steps, tmp_path: Path, warm_cache: Cache, engine: Engine
) -> None:
    direct = built(locked, "direct")
    assert tuple(sorted(direct)) == TAGS
    docker = replace(locked, cache=warm_cache, environ=engine.environ)
    with emulating():
        assert built(docker, "docker") == direct
        for tag in TAGS:
            role = tag.split("-")[1]
            done = docker.run("run", f"steps:{tag}", "--", "python", f"{role}.py")
            machine = "aarch64" if tag.endswith("arm64") else "x86_64"
            assert (done.returncode, done.stdout) == (
                0,
                f"{machine} {'tqdm' if role == 'train' else 'h11'}\n",
            ), done.stderr
