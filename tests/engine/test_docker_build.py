"""What goes wrong with the docker engine: one clear error, nothing half-made, and the next build works."""

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from mlimage.cache import Cache
from support.cutting import way_to
from support.machine import FULL, Engine, need_engine
from support.steps import Steps, project_of

pytestmark = pytest.mark.network

PATIENCE = 240.0
"""Seconds until a build must have come to its step."""


def left_over(steps: Steps) -> list[Path]:
    """Unfinished files and folders in the cache."""
    return [path for path in steps.cache.root.rglob(".partial-*") if "inputs" not in path.parts]


def wait_for(text: str, process: "subprocess.Popen[bytes]", said: Path) -> None:
    """Wait until a running build has said something."""
    limit = time.monotonic() + PATIENCE
    while text not in said.read_text():
        assert process.poll() is None, said.read_text()
        assert time.monotonic() < limit
        time.sleep(0.1)


def test_ctrl_c_cancels_the_build(steps: Steps, tmp_path: Path) -> None:
    steps.write(["echo begun; sleep 600"])
    with (tmp_path / "said").open("w+") as said:
        process = steps.start("build", "--no-load", "--verbose", stderr=said)
        wait_for("] begun", process, tmp_path / "said")
        asked = time.monotonic()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):  # who does not wait changes nothing
            process.send_signal(number)
            time.sleep(0.05)
        assert process.wait(60) == 130
        assert time.monotonic() - asked < 30
    found = subprocess.run(["pgrep", "--full", f"buildx build.*{steps.cache.root}"], check=False)
    assert found.returncode == 1, "the command `docker buildx build` goes on"
    assert left_over(steps) == []
    assert json.loads(steps.run("inspect", "--json").stdout) == []
    steps.write(["echo begun > /opt/begun"])
    steps.build()
    assert steps.inside("cat /opt/begun") == "begun\n"


def test_no_daemon(steps: Steps) -> None:
    steps.write(["true"])
    alone = steps.with_environ(DOCKER_HOST=f"unix://{steps.root}/no.sock")
    done = alone.run("build")
    assert (done.returncode, done.stderr) == (
        10,
        (
            f"error: no Docker daemon answers at unix://{steps.root}/no.sock: no such file or directory\n"
            "hint: start it (`sudo systemctl start docker`), or let DOCKER_HOST say where one is; it is "
            "needed, since `run:` has 1 step\n"
        ),
    )
    steps.write([])
    done = alone.run("build", "--engine", "docker")
    assert done.stderr.splitlines()[-1] == (
        "hint: start it (`sudo systemctl start docker`), or let DOCKER_HOST say where one is; "
        "`--engine direct` needs none"
    )


def test_no_buildx(steps: Steps, tmp_path: Path) -> None:
    steps.write(["true"])
    done = steps.with_environ(DOCKER_CONFIG=str(tmp_path / "empty")).run("build")
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        10,
        "error: Docker's command line has no `buildx`",
    )


def test_an_image_that_docker_builds_is_in_docker(steps: Steps) -> None:
    steps.write(["echo loaded > /opt/loaded"])
    [built] = json.loads(steps.run("build", "--json").stdout)
    try:
        assert built["loaded"]["reference"] == "steps:cpu"
        done = steps.docker("run", "--rm", "--network", "none", "steps:cpu", "--", "cat", "/opt/loaded")
        assert done == "loaded\n"
        [found] = json.loads(steps.docker("image", "inspect", "steps:cpu"))
        assert found["Id"] == built["digest"]
        again = json.loads(steps.run("build", "--json").stdout)[0]
        assert (again["loaded"]["way"], again["loaded"]["moved"]) == ("there", 0)
    finally:
        steps.docker("image", "rm", "--force", "steps:cpu")


def test_a_daemon_that_dies_is_one_error(steps: Steps, engine: Engine, tmp_path: Path) -> None:
    steps.write(["echo begun; sleep 600"])
    with way_to(engine.host, tmp_path) as way, (tmp_path / "said").open("w+") as said:
        doomed = steps.with_environ(DOCKER_HOST=way.host)
        process = doomed.start("build", "--no-load", "--verbose", stderr=said)
        wait_for("] begun", process, tmp_path / "said")
        way.cut()
        assert process.wait(60) == 7
    text = (tmp_path / "said").read_text()
    error, hint = text.splitlines()[-2:]
    assert error.startswith("error: `docker buildx build` ended with status ")
    assert hint == "hint: does the Docker daemon still run? `docker buildx ls` shows the builders"
    assert left_over(steps) == []
    steps.write(["echo begun > /opt/begun"])
    steps.build()


@pytest.mark.engine
def test_a_full_disk_of_the_daemon_is_one_error(
    locked_steps: Path, tmp_path: Path, warm_cache: Cache
) -> None:
    full = need_engine(FULL)
    steps = project_of(locked_steps, tmp_path / "project", warm_cache, full.environ)
    done = steps.run("build", "--no-load", "--engine", "docker")
    assert done.returncode == 7
    error, hint = done.stderr.splitlines()[-2:]
    assert error.startswith("error: the disk of the Docker engine is full")
    assert hint.startswith("hint: `docker system df` shows")
    assert json.loads(steps.run("inspect", "--json").stdout) == []
    assert left_over(steps) == []
