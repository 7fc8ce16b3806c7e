"""A signal that comes while an image computes: 130, 143 or 129, at once, and nothing is left.

In an engine and in the sandbox; what else takes long is in `tests/network/test_interrupted.py`.
"""

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from mlimage.atomic import PARTIAL
from mlimage.cache import Cache
from mlimage.lock.check import wanted_by
from mlimage.lock.text import write_lock
from mlimage.oci.store import Store
from mlimage.spec.project import Project
from support import locks, runs
from support.building import MLIMAGE
from support.interrupting import ENDINGS, Running, descendants, running
from support.machine import DOCKERS, PODMANS, need_engine
from support.programs import program
from support.runs import command, environment
from support.standing import program_file, standing_image

NAME: Final = f"interrupted-{os.getpid()}"
"""No container of another test has the label of this image."""
SPEC: Final = f"""\
name: {NAME}
python: "3.11"
base: {{debian: bookworm}}
train: {{command: python train.py}}
golden: {{preprocess: "features:transform", predict: "model:scores", model: model}}
"""
IN_ENGINES: Final = [
    pytest.param(name, signals, marks=pytest.mark.engine, id=f"{name}-{len(signals)}-{signals[0]}")
    for name, signals in (
        *((name, (signal.SIGINT, signal.SIGINT)) for name in (*DOCKERS, *PODMANS)),
        (DOCKERS[0], (signal.SIGTERM,)),
        (DOCKERS[0], (signal.SIGHUP,)),
    )
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project as it was built: with a lock, not trained."""
    project = Project(tmp_path_factory.mktemp("made"))
    folder = project.image_folder(NAME)
    (folder / "golden").mkdir(parents=True)
    (folder / "golden/one.json").write_text("[1.5]")
    (folder / "app").mkdir()
    (folder / "app/train.py").write_text("print('trained')")
    (folder / "mlimage.yaml").write_text(SPEC)
    lock = locks.lock(image=NAME)
    write_lock(project.lock_folder(NAME), replace(lock, wanted=wanted_by(project.load(NAME), locks.CPU)))
    return project


@pytest.fixture(scope="module")
def cache(made: Project, tmp_path_factory: pytest.TempPathFactory) -> Cache:
    found = Cache(tmp_path_factory.mktemp("cache"))
    found.root.parent.chmod(0o755)
    found.root.chmod(0o755)
    # None of them heeds any signal.
    script = "trap '' INT TERM HUP; echo computing >&2; while :; do sleep 1; done"
    words = [program_file(word, script) for word in ("fingerprint", "probe", "record", "verify")]
    standing_image(made, NAME, Store(found.store), entry='exec "$@"', programs=words)
    return found


@pytest.fixture
def project(made: Project, tmp_path: Path) -> Path:
    """A copy of it, trained, whose files its user can reach."""
    for path in (tmp_path, tmp_path.parent):
        path.chmod(0o755)
    folder = tmp_path / "project"
    shutil.copytree(made.root, folder)
    (folder / "models" / NAME).mkdir(parents=True, mode=0o777)
    (folder / "models" / NAME / "model").write_text("a model")
    return folder


def computing(run: Running) -> Callable[[], bool]:
    return lambda: "computing" in run.said


@pytest.mark.namespaces
@pytest.mark.parametrize("signals", ENDINGS, ids=str)
@pytest.mark.parametrize("verb", ["freeze", "probe"])
def test_in_the_sandbox(
    cache: Cache, project: Path, tmp_path: Path, verb: str, signals: tuple[int, ...]
) -> None:
    with running(
        command("sandbox", NAME, verb=verb),
        folder=project,
        environ=environment(cache, "sandbox"),
        temporary=tmp_path / "t",
    ) as run:
        run.until(computing(run))
        run.end(*signals, places=[cache.root, project])
    assert not (project / "lockfiles" / NAME / "golden").exists()


@pytest.mark.namespaces
@pytest.mark.parametrize("words", [("verify",), ("verify", "--memory", "200m"), ("fingerprint",)])
def test_other_words_in_the_sandbox(
    cache: Cache, project: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    verb, *options = words
    groups = set(Path("/sys/fs/cgroup").rglob("mlimage-*"))
    with running(
        command("sandbox", NAME, *options, verb=verb),
        folder=project,
        environ=environment(cache, "sandbox"),
        temporary=tmp_path / "t",
    ) as run:
        run.until(computing(run))
        run.end(signal.SIGINT, signal.SIGINT, places=[cache.root])
    assert set(Path("/sys/fs/cgroup").rglob("mlimage-*")) <= groups


def containers(runtime: str) -> list[str]:
    label = f"label=dev.mlimage.run={NAME}:cpu"
    return program(
        "docker", "ps", "--all", "--quiet", "--filter", label, environ=need_engine(runtime).environ
    ).split()


@pytest.mark.parametrize(("runtime", "signals"), IN_ENGINES)
def test_in_an_engine(
    cache: Cache, project: Path, tmp_path: Path, runtime: str, signals: tuple[int, ...]
) -> None:
    with running(
        command(runtime, NAME, verb="probe"),
        folder=project,
        environ=environment(cache, runtime),
        temporary=tmp_path / "t",
    ) as run:
        run.until(computing(run))
        assert len(containers(runtime)) == 1
        run.end(*signals, places=[cache.root])
    assert containers(runtime) == []


@pytest.mark.engine
@pytest.mark.parametrize("runtime", [DOCKERS[0], PODMANS[-1]])
def test_killed_in_an_engine(cache: Cache, project: Path, tmp_path: Path, runtime: str) -> None:
    """What a killed run leaves in the engine, the next one removes."""
    start = partial(running, folder=project, environ=environment(cache, runtime))
    with start(command(runtime, NAME, verb="probe"), temporary=tmp_path / "t") as run:
        run.until(computing(run))
        run.process.kill()
    [left] = containers(runtime)
    with start(command(runtime, NAME, "--", "sleep", "600"), temporary=tmp_path / "u") as other:
        other.until(lambda: left not in containers(runtime) and containers(runtime) != [])
        # Nor does one run take away the container of another that goes on.
        done = runs.run(cache, project, runtime, NAME, "--", "id")
        assert (done.returncode, len(containers(runtime))) == (0, 1), done.stderr
        other.send(signal.SIGTERM)
        assert other.process.wait(30) == 143
    assert f"removed container {left}, left by a run that was killed\n" in other.said
    assert containers(runtime) == []


@pytest.mark.namespaces
def test_killed_in_the_sandbox(cache: Cache, project: Path, tmp_path: Path) -> None:
    """With the run ends what it started; what it had unpacked, the next run removes."""
    own = Cache(tmp_path / "own")
    own.root.mkdir(mode=0o755)
    own.store.symlink_to(cache.store)
    chance = random.Random(7)  # noqa: S311 - to be the same each time
    start = partial(running, folder=project, environ=environment(own, "sandbox"))
    for number in range(6):
        words = command("sandbox", "--memory", "200m", NAME, "--", "sleep", "600")
        with start(words, temporary=tmp_path / str(number)) as run:
            run.until(own.unpacked.exists)
            time.sleep(chance.uniform(0, 0.3) if number else 0)
            run.family.update(descendants(run.process.pid))
            run.process.kill()
        run.is_gone()
    done = runs.run(own, project, "sandbox", "--memory", "200m", NAME, "--", "id", "-u")
    assert done.returncode == 0, done.stderr
    assert list(own.root.rglob(f"{PARTIAL}*")) == []
    assert len(list(own.unpacked.iterdir())) == 1


@pytest.mark.namespaces
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_while_it_is_unpacked(cache: Cache, project: Path, tmp_path: Path, number: int) -> None:
    """Or right after it: the command gets the signal then, and ends with the same status."""
    own = Cache(tmp_path / "own")
    own.root.mkdir(mode=0o755)
    own.store.symlink_to(cache.store)
    with running(
        command("sandbox", NAME, "--", "sleep", "600"),
        folder=project,
        environ=environment(own, "sandbox"),
        temporary=tmp_path / "t",
    ) as run:
        run.until(own.unpacked.exists)
        run.send(number)
        assert run.process.wait(15) == 128 + number, run.said
        run.is_gone()
    assert list(own.root.rglob(f"{PARTIAL}*")) == []


def test_a_cache_that_is_read(tmp_path: Path) -> None:
    """What is still to be read is not read any more."""
    cache = Cache(tmp_path / "cache")
    blobs = Store(cache.store).blobs
    blobs.mkdir(parents=True)
    for number in range(64):
        with (blobs / f"{number:064x}").open("wb") as stream:
            stream.truncate(4 << 30)  # some seconds each, and no disk
    first = blobs / f"{0:064x}"
    with running(
        (MLIMAGE, "cache", "verify"),
        folder=tmp_path,
        environ=environment(cache, "sandbox"),
        temporary=tmp_path / "t",
    ) as run:
        descriptors = Path(f"/proc/{run.process.pid}/fd")
        run.until(lambda: any(reads(each, first) for each in descriptors.iterdir()))
        run.end(signal.SIGINT)
    assert len(list(blobs.iterdir())) == 64


def reads(descriptor: Path, path: Path) -> bool:
    with suppress(FileNotFoundError):  # closed meanwhile
        return descriptor.readlink() == path
    return False
