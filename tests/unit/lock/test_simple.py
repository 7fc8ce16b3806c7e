import json
from contextlib import suppress
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from threading import Thread
from urllib.parse import urljoin

import pytest
from packaging.tags import parse_tag

from mlimage.errors import FetchError
from mlimage.fetch import Http
from mlimage.lock.index import Indexes
from mlimage.lock.simple import serve_simple
from support.loopback import offer, wheel
from support.webserver import Fault, WebServer
from support.wheels import metadata_of

JSON = {"Accept": "application/vnd.pypi.simple.v1+json, text/html;q=0.1"}
TAGS = parse_tag("py3-none-any")
WHEEL = "demo-1.0-py3-none-any.whl"


def test_a_page_in_json(http: Http, web: WebServer, indexes: Indexes, tmp_path: Path) -> None:
    path = wheel(tmp_path, "demo", "1.0")
    offer(web, path, yanked="", requires_python=">=3.9", upload_time="2026-01-01T00:00:00Z")
    offer(web, wheel(tmp_path, "demo", "2.0"), upload_time="2026-07-01T00:00:00Z")
    web.offer("demo", "demo-1.0.tar.gz", b"source")
    with serve_simple(indexes, as_of=datetime(2026, 6, 1, tzinfo=UTC), tags=TAGS, python="3.11.2") as served:
        answer = http.get(served.url + "Demo/", headers=JSON)
        assert http.get(served.url + "nothing/", headers=JSON).status == 404
    assert answer.headers["content-type"] == "application/vnd.pypi.simple.v1+json"
    assert json.loads(answer.body) == {
        "meta": {"api-version": "1.0"},
        "name": "demo",
        "files": [
            {
                "filename": WHEEL,
                "url": f"../../files/default/demo/{WHEEL}",
                "hashes": {"sha256": web.projects["demo"][WHEEL].sha256},
                "core-metadata": True,
                "requires-python": ">=3.9",
                "size": path.stat().st_size,
                "upload-time": "2026-01-01T00:00:00.000000Z",
                "yanked": True,
            }
        ],
    }
    assert served.failures == ()


class Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found.append(dict(attrs))


def test_a_page_in_html(http: Http, web: WebServer, indexes: Indexes, tmp_path: Path) -> None:
    offer(web, wheel(tmp_path, "demo", "1.0"), yanked='a "reason"', requires_python=">=3.9,<4")
    with serve_simple(indexes, as_of=None, tags=TAGS, python="3.11.2") as served:
        reader = Anchors()
        reader.feed(http.get(served.url + "demo/").body.decode())
    assert reader.found == [
        {
            "href": f"../../files/default/demo/{WHEEL}#sha256={web.projects['demo'][WHEEL].sha256}",
            "data-core-metadata": "true",
            "data-requires-python": ">=3.9,<4",
            "data-yanked": 'a "reason"',
        }
    ]


def test_metadata_comes_through_and_wheels_do_not(
    http: Http, web: WebServer, indexes: Indexes, tmp_path: Path
) -> None:
    path = wheel(tmp_path, "demo", "1.0+local", "numpy")
    offer(web, path)
    with serve_simple(indexes, as_of=None, tags=TAGS, python="3.11.2") as served:
        (entry,) = json.loads(http.get(served.url + "demo/", headers=JSON).body)["files"]
        url = urljoin(served.url + "demo/", entry["url"])
        assert http.get(url + ".metadata").body == metadata_of("demo", "1.0+local", requires=["numpy"])
        assert http.get(url).status == 404
        assert http.get(url.replace("1.0", "9.9") + ".metadata").status == 404


def test_a_bound_package_is_only_in_its_index(
    http: Http, web: WebServer, own: WebServer, indexes: Indexes, tmp_path: Path
) -> None:
    offer(web, wheel(tmp_path, "private", "9.0"))
    offer(own, wheel(tmp_path, "private", "1.0"))
    offer(own, wheel(tmp_path, "demo", "9.0"))
    with serve_simple(indexes, as_of=None, tags=TAGS, python="3.11.2") as served:
        page = json.loads(http.get(served.url + "private/", headers=JSON).body)
        assert http.get(served.url + "demo/", headers=JSON).status == 404
    assert [entry["url"] for entry in page["files"]] == [
        "../../files/own/private/private-1.0-py3-none-any.whl"
    ]


def test_the_secret_part_is_needed(http: Http, web: WebServer, indexes: Indexes, tmp_path: Path) -> None:
    offer(web, wheel(tmp_path, "demo", "1.0"))
    with serve_simple(indexes, as_of=None, tags=TAGS, python="3.11.2") as served:
        origin = served.url.split("/")[2]
        assert http.get(f"http://{origin}/guess/simple/demo/", headers=JSON).status == 404
        assert http.get(f"http://{origin}/simple/demo/", headers=JSON).status == 404
    assert web.requests == []


def test_an_unreachable_index_is_kept_as_the_true_reason(
    http: Http, web: WebServer, indexes: Indexes, tmp_path: Path
) -> None:
    web.spoil("/simple/", Fault(status=500))
    with serve_simple(indexes, as_of=None, tags=TAGS, python="3.11.2") as served:
        assert http.get(served.url + "demo/", headers=JSON).status == 404
        assert http.get(served.url + "other/", headers=JSON).status == 404
    [(project, error)] = served.failures
    assert project == "demo"
    assert str(error) == (f"index `default`: `{web.index}/demo/` cannot be fetched: tried 2 times: HTTP 500")
    assert error.exit_status == 6


def test_a_wheel_without_metadata_is_a_failure(http: Http, web: WebServer, indexes: Indexes) -> None:
    web.offer("demo", WHEEL, b"no wheel")
    with serve_simple(indexes, as_of=None, tags=TAGS, python="3.11.2") as served:
        http.get(served.url + "demo/", headers=JSON)
        url = urljoin(served.url + "demo/", f"../../files/default/demo/{WHEEL}")
        assert http.get(url + ".metadata").status == 404
    [(project, error)] = served.failures
    assert (project, str(error)) == ("demo", f"`{WHEEL}` is no wheel: file is not a zip file")


def test_a_connection_for_which_there_is_no_thread(
    http: Http, indexes: Indexes, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = Thread.start

    def refuse(thread: Thread) -> None:
        if "process_request_thread" in thread.name:
            raise RuntimeError("can't start new thread")
        start(thread)

    def ask() -> None:
        with serve_simple(indexes, as_of=None, tags=TAGS, python="3.11.2") as served:
            monkeypatch.setattr(Thread, "start", refuse)
            with suppress(FetchError):
                http.get(served.url + "demo/")
            monkeypatch.undo()

    with pytest.raises(RuntimeError, match="can't start new thread"):
        ask()


def test_a_defect_is_not_swallowed(http: Http, indexes: Indexes, monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(_: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(indexes, "files", defect)
    with (
        pytest.raises(ZeroDivisionError),
        serve_simple(indexes, as_of=None, tags=TAGS, python="3.11.2") as served,
    ):
        http.get(served.url + "demo/", headers=JSON)
