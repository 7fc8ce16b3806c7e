"""`mlimage run` of a person with a rootless Podman: what comes out of the image is theirs."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from mlimage.cache import Cache
from mlimage.daemon.connect import connect
from mlimage.oci.store import Store
from support.building import IMAGE, MLIMAGE, build, project_at
from support.machine import ROOTLESS, Engine, need_engine
from support.running import free_port, small_image

pytestmark = pytest.mark.engine
RUNTIMES = pytest.mark.parametrize("runtime", ROOTLESS)


def person(engine: Engine) -> int:
    return int(engine.enter[engine.enter.index("--reuid") + 1])


@pytest.fixture
def home(runtime: str) -> Iterator[Path]:
    """A folder of the person; not below pytest's own, where nobody but root gets to."""
    engine = need_engine(runtime)
    with tempfile.TemporaryDirectory(prefix="mlimage-") as name:
        os.chown(name, person(engine), person(engine))
        yield Path(name)


def give(engine: Engine, folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, person(engine), person(engine), follow_symlinks=False)


def environment(engine: Engine, home: Path) -> Mapping[str, str]:
    return {**engine.environ, "HOME": str(home), "MLIMAGE_CACHE": str(home / "cache")}


def run(engine: Engine, home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        (*engine.enter, MLIMAGE, "run", "--runtime", "docker", *arguments),
        cwd=home,
        env=environment(engine, home),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@RUNTIMES
def test_models_belong_to_the_person(runtime: str, home: Path) -> None:
    engine = need_engine(runtime)
    small_image(Store(Cache(home / "cache").store))
    give(engine, home)
    done = run(engine, home, "demo", "train")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    model = home / "models/demo/model"
    assert (model.read_text(), model.stat().st_uid) == ("trained\n", person(engine))
    done = run(engine, home, "demo", "--", "sh", "-c", "id -u; touch /x; echo err >&2; exit 7")
    assert (done.returncode, done.stdout) == (7, "0\n"), done.stderr
    assert "touch: cannot touch '/x': Read-only file system\n" in done.stderr


@RUNTIMES
def test_limits_are_refused_where_they_would_be_let_go(runtime: str, home: Path) -> None:
    engine = need_engine(runtime)
    if connect(engine.environ).facts.limits:  # on cgroups of version 2
        return
    small_image(Store(Cache(home / "cache").store))
    give(engine, home)
    done = run(engine, home, "--memory", "1g", "demo", "train")
    assert (done.returncode, done.stdout) == (10, "")
    assert " cannot hold a run to --memory or --cpus: " in done.stderr


ASK = """
import sys, urllib.request
print(urllib.request.urlopen(sys.argv[1], timeout=30).status)
"""


@pytest.mark.network
@RUNTIMES
def test_the_shipped_image_trains_and_serves(runtime: str, home: Path, warm_cache: Cache) -> None:
    engine = need_engine(runtime)
    project_at(home)
    build(home, warm_cache)
    shutil.copytree(warm_cache.store, Cache(home / "cache").store)
    give(engine, home)
    trained = run(engine, home, IMAGE, "train")
    assert trained.returncode == 0, trained.stderr
    metrics = home / "models" / IMAGE / "metrics.json"
    assert json.loads(metrics.read_text())["accuracy"] > 0.95
    assert metrics.stat().st_uid == person(engine)
    address = f"http://127.0.0.1:{free_port().number}"
    with subprocess.Popen(
        (*engine.enter, MLIMAGE, "run", "--runtime", "docker", IMAGE, "serve", "--port", address[17:]),
        cwd=home,
        env=environment(engine, home),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stderr
        lines = []
        for line in process.stderr:
            lines.append(line)
            if line.startswith("serving "):
                break
        assert lines[-1:] == [f"serving {IMAGE}:cpu on {address}  (health /ping, Ctrl-C stops)\n"], lines
        asked = subprocess.run(
            (*engine.enter, sys.executable, "-c", ASK, f"{address}/ping"),
            capture_output=True,
            text=True,
            check=True,
        )
        assert asked.stdout == "200\n"
        process.send_signal(signal.SIGINT)
        process.stderr.read()
        assert process.wait() == 0
