"""`mlimage run` of a person with a rootless Podman: what comes out of the image is theirs."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlimage.cache import Cache
from mlimage.daemon.connect import connect
from mlimage.oci.store import Store
from support.building import IMAGE, build, project_at
from support.digits import ZERO
from support.machine import ROOTLESS, Engine, need_engine
from support.running import small_image
from support.runs import run, served

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


@RUNTIMES
def test_models_belong_to_the_person(runtime: str, home: Path) -> None:
    engine = need_engine(runtime)
    own = Cache(home / "cache")
    small_image(Store(own.store))
    give(engine, home)
    done = run(own, home, runtime, "demo", "train")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    model = home / "models/demo/model"
    assert (model.read_text(), model.stat().st_uid) == ("trained\n", person(engine))
    done = run(own, home, runtime, "demo", "--", "sh", "-c", "id -u; touch /x; echo err >&2; exit 7")
    assert (done.returncode, done.stdout) == (7, "0\n"), done.stderr
    assert "touch: cannot touch '/x': Read-only file system\n" in done.stderr


@RUNTIMES
def test_limits_are_refused_where_they_would_be_let_go(runtime: str, home: Path) -> None:
    engine = need_engine(runtime)
    if connect(engine.environ).facts.limits:  # on cgroups of version 2
        return
    own = Cache(home / "cache")
    small_image(Store(own.store))
    give(engine, home)
    done = run(own, home, runtime, "--memory", "1g", "demo", "train")
    assert (done.returncode, done.stdout) == (10, "")
    assert " cannot hold a run to --memory or --cpus: " in done.stderr


@pytest.mark.network
@RUNTIMES
def test_the_shipped_image_trains_and_serves(runtime: str, home: Path, warm_cache: Cache) -> None:
    engine = need_engine(runtime)
    project_at(home)
    build(home, warm_cache)
    own = Cache(home / "cache")
    shutil.copytree(warm_cache.store, own.store)
    give(engine, home)
    trained = run(own, home, runtime, IMAGE, "train")
    assert trained.returncode == 0, trained.stderr
    metrics = home / "models" / IMAGE / "metrics.json"
    assert json.loads(metrics.read_text())["accuracy"] > 0.95
    assert metrics.stat().st_uid == person(engine)
    with served(own, home, runtime, IMAGE) as server:
        status, answer = server.post({"instances": [ZERO]})
        assert (status, [one["digit"] for one in answer["predictions"]]) == (200, [0])
