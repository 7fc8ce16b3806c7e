"""Images that are made once more from what is in them."""

import json
import os
from pathlib import Path
from secrets import token_hex

import pytest

from mlimage.cache import Cache
from support.steps import Steps, project_of

pytestmark = [pytest.mark.network, pytest.mark.engine]


@pytest.fixture
def project(locked_steps: Path, tmp_path: Path, warm_cache: Cache) -> Steps:
    """The small image without steps."""
    found = project_of(locked_steps, tmp_path / "project", warm_cache, os.environ)
    found.write()
    return found


def test_the_same_comes_out(project: Steps, tmp_path: Path, registry: str) -> None:
    app = project.root / "images/steps/app"
    (app / ".dockerignore").write_text("*.log\n!keep.pyc\n")
    (app / "left.log").write_text("not in the image")
    (app / "keep.pyc").write_bytes(b"in the image")
    (app / "run.sh").write_text("#!/bin/sh\n")
    (app / "run.sh").chmod(0o755)
    (app / "link").symlink_to("train.py")
    built = project.build()
    done = project.run("reproduce", "steps")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        f"steps:cpu\n  digest    {built['digest']}\nthe same digest came out: it is reproducible\n"
    )
    # It needs nothing but the image.
    to = f"{registry}/reproduce-{token_hex(6)}"
    done = project.run("push", "--to", to, "--tag", "latest")
    assert done.returncode == 0, done.stderr
    elsewhere = Steps(tmp_path, Cache(tmp_path / "elsewhere"), os.environ)
    done = elsewhere.run("reproduce", f"{to}/steps:latest", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["same"], said["digest"], said["rebuilt"]) == (True, built["digest"], built["digest"])
    assert [*elsewhere.cache.root.glob(".partial-*")] == []


def test_what_differs_is_shown(steps: Steps) -> None:
    steps.write(["head -c 16 /dev/urandom > /opt/chance"])
    steps.build()
    done = steps.run("reproduce", "steps")
    assert done.returncode == 8, done.stderr
    assert "/opt/chance" in done.stdout
    steps.write(["echo the same > /opt/same"])
    steps.build()
    done = steps.run("reproduce", "steps")
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_image_that_does_not_say_how_it_was_made(project: Steps, tmp_path: Path) -> None:
    project.build("--output", f"oci:{tmp_path / 'layout'}")
    done = project.run("reproduce", "nobody")
    assert done.returncode == 2
    assert done.stderr.startswith("error: no image `nobody` in the store\n")
