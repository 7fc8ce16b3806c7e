import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.tags import parse_tag

from mlimage.cache import Cache
from mlimage.fetch import Http, Retry
from mlimage.lock.index import Indexes
from mlimage.lock.offer import Offer
from mlimage.lock.prefetch import Prefetch
from mlimage.mirrors import Location, Mirrors
from support.webserver import Fault, WebServer
from support.wheels import make_wheel

TAGS = parse_tag("cp311-cp311-manylinux_2_17_x86_64") | parse_tag("py3-none-any")


@pytest.fixture
def indexes(web: WebServer, tmp_path: Path) -> Iterator[Indexes]:
    with Http(retry=Retry(attempts=1), read_timeout=5) as http:
        mirrors = Mirrors(configured={"default": (Location(web.index),)})
        yield Indexes(http=http, cache=Cache(tmp_path / "cache"), mirrors=mirrors)


def offer(web: WebServer, folder: Path, name: str, version: str, *requires: str, **says: object) -> None:
    path = make_wheel(folder, name, version, {f"{name}.py": b""}, requires=requires)
    web.offer(name, path.name, path.read_bytes(), **says)


def wait_for(web: WebServer, count: int) -> list[str]:
    until = time.monotonic() + 20
    while len(web.requests) < count and time.monotonic() < until:
        time.sleep(0.01)
    return sorted(web.paths())


def test_the_newest_fitting_wheels_are_walked(web: WebServer, indexes: Indexes, tmp_path: Path) -> None:
    offer(web, tmp_path, "one", "1.0", "old")
    offer(web, tmp_path, "one", "2.0", "two>1", "extra; extra == 'x'", "not a requirement !")
    offer(web, tmp_path, "one", "3.0", "bad", yanked="bad")
    offer(web, tmp_path, "one", "4.0", "bad", requires_python=">=3.12")
    offer(web, tmp_path, "one", "5.0rc1", "bad")
    offer(web, tmp_path, "two", "2.0", "one", "gone")
    with Prefetch(Offer(indexes, as_of=None, tags=TAGS, python="3.11.2")) as prefetch:
        prefetch.want(["One"])
        assert wait_for(web, 5) == [
            "/files/one-2.0-py3-none-any.whl",
            "/files/two-2.0-py3-none-any.whl",
            "/simple/gone/",
            "/simple/one/",
            "/simple/two/",
        ]


def test_nobody_waits_for_a_silent_server(web: WebServer, indexes: Indexes) -> None:
    web.spoil("/simple/", Fault(hang=True))
    started = time.monotonic()
    with Prefetch(Offer(indexes, as_of=None, tags=TAGS, python="3.11.2")) as prefetch:
        prefetch.want(["one"])
        wait_for(web, 1)
    assert time.monotonic() - started < 4
