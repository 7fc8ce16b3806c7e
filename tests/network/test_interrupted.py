"""Ctrl-C, SIGTERM and a closed terminal while a project is locked, built or made once more: nothing stays."""

import signal
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from mlimage.atomic import PARTIAL
from mlimage.cache import Cache
from support.building import IMAGE, MLIMAGE
from support.frozen import Project
from support.interrupting import Running, running
from support.machine import share_fetched
from support.steps import Steps, project_of

pytestmark = pytest.mark.network


@pytest.fixture
def own(built_steps: Steps, tmp_path: Path) -> Steps:
    """The project of two variants, with nothing but fetched files."""
    cache = Cache(tmp_path / "cache")
    cache.root.mkdir()
    share_fetched(Cache(built_steps.cache.root), cache)
    return project_of(built_steps.root, tmp_path / "project", cache, built_steps.environ)


def interrupt(
    steps: Steps, words: tuple[str, ...], now: Callable[[], bool], *signals: int, folder: Path
) -> None:
    environ = {**steps.environ, "MLIMAGE_CACHE": str(steps.cache.root)}
    with running((MLIMAGE, *words), folder=steps.root, environ=environ, temporary=folder / "t") as run:
        run.until(now)
        run.end(*signals, places=[steps.cache.root, steps.root])


@pytest.mark.parametrize("mirror", ["DEFAULT", "DEBIAN"])
def test_while_it_is_locked(mirror: str, own: Steps, tmp_path: Path) -> None:
    """By a server that says nothing: to mlimage itself, or to apt."""
    before = contents(own.root / "lockfiles")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setblocking(False)
        asked: list[socket.socket] = []

        def now() -> bool:
            try:
                asked.append(silent.accept()[0])
            except BlockingIOError:
                return bool(asked)
            return True

        url = f"http://127.0.0.1:{silent.getsockname()[1]}/there"
        own = own.with_environ(**{f"MLIMAGE_MIRROR_{mirror}": url})
        interrupt(own, ("lock", "--upgrade"), now, signal.SIGINT, signal.SIGINT, folder=tmp_path)
        for each in asked:
            each.close()
    assert contents(own.root / "lockfiles") == before != {}


@pytest.mark.parametrize(
    ("moment", "signals"),
    [
        (f"{PARTIAL}*", (signal.SIGTERM, signal.SIGINT)),
        (f"{PARTIAL}*/debs/*", (signal.SIGHUP,)),
        ("layers/*.json", (signal.SIGINT, signal.SIGINT)),
    ],
)
def test_while_it_is_built(moment: str, signals: tuple[int, ...], own: Steps, tmp_path: Path) -> None:
    words = ("build", "--no-load", "--no-check", "--variant", "cpu")
    interrupt(own, words, lambda: any(own.cache.root.glob(moment)), *signals, folder=tmp_path)
    own.build("--variant", "cpu")


def test_while_it_is_made_once_more(built_steps: Steps, tmp_path: Path) -> None:
    root = built_steps.cache.root
    words = ("reproduce", "steps:cpu")
    interrupt(
        built_steps,
        words,
        lambda: any(root.glob(f"{PARTIAL}*/cache/{PARTIAL}*")),
        signal.SIGINT,
        signal.SIGTERM,
        folder=tmp_path,
    )


@pytest.mark.namespaces
def test_while_it_is_frozen_and_verified(trained: Project, warm_cache: Cache, tmp_path: Path) -> None:
    """What was frozen before stays, and a server that is asked ends with who asks it."""
    trained.freeze()
    trained.build()
    record = contents(trained.record)
    for number, signals in enumerate([(signal.SIGKILL,), (signal.SIGINT,), (signal.SIGTERM, signal.SIGINT)]):
        with start(trained, "freeze", IMAGE, folder=tmp_path / f"freeze{number}") as run:
            run.until(lambda: any(run.temporary.glob("mlimage-golden-*/record/*")))
            if signals == (signal.SIGKILL,):
                run.send()
                run.process.kill()
                run.is_gone()
            else:
                run.end(*signals, places=[trained.root, warm_cache.root])
        assert contents(trained.record) == record
    trained.freeze()
    assert contents(trained.record) == record
    assert list(trained.root.rglob(f"{PARTIAL}*")) == []
    words = ("verify", IMAGE, "--serve", "--requests", "100000", "--verbose")
    with start(trained, *words, folder=tmp_path / "verify") as run:
        run.until(lambda: "requests to" in run.said)
        run.end(signal.SIGINT)


def start(project: Project, *words: str, folder: Path) -> AbstractContextManager[Running]:
    verb, image, *options = words
    return running(
        (MLIMAGE, verb, image, "--runtime", "sandbox", *options),
        folder=project.root,
        environ=project.environ,
        temporary=folder,
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
