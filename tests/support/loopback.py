"""Servers on this machine, and package indexes of them: `own` alone may have the project `private`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mlimage.cache import Cache
from mlimage.fetch import Http, Retry
from mlimage.lock.index import Indexes
from mlimage.mirrors import Location, Mirrors
from support.webserver import WebServer, web_server
from support.wheels import make_wheel


@pytest.fixture
def http() -> Iterator[Http]:
    with Http(retry=Retry(attempts=2, sleep=lambda _: None), read_timeout=5) as client:
        yield client


@pytest.fixture
def hasty() -> Iterator[Http]:
    """Waits for a silent server no longer than a test should take."""
    with Http(retry=Retry(attempts=2, sleep=lambda _: None), read_timeout=0.5) as client:
        yield client


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


@pytest.fixture
def own() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


@pytest.fixture
def indexes(http: Http, web: WebServer, own: WebServer, tmp_path: Path) -> Indexes:
    places = {
        "default": (Location(web.index.replace("//", "//user:secret@")),),
        "own": (Location(own.index),),
    }
    return Indexes(
        http=http,
        cache=Cache(tmp_path / "cache"),
        mirrors=Mirrors(configured=places),
        bound={"private": "own"},
    )


def wheel(folder: Path, name: str, version: str, *requires: str, tag: str = "py3-none-any") -> Path:
    return make_wheel(folder, name, version, {f"{name}.py": b""}, requires=requires, tag=tag)


def offer(web: WebServer, path: Path, **says: object) -> None:
    web.offer(path.name.partition("-")[0], path.name, path.read_bytes(), **says)
