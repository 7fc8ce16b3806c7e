"""What Debian's tracker says of a source package in a suite; and what only looks like an answer is none."""

import json
from pathlib import Path

import pytest

from mlimage.audit.model import Advisory
from mlimage.audit.tracker import Tracker, known_of, read_tracker
from mlimage.errors import FetchError
from mlimage.fetch import Http
from mlimage.mirrors import Location, Mirrors
from mlimage.progress import SILENT
from support.advisories import debian, release, tracked
from support.webserver import LOGIN_PAGE, Fault, WebServer

GLIBC = debian("glibc", "2.36-9+deb12u10")
NO_TRACKER = "does not answer as Debian's security tracker does"


@pytest.fixture
def tracker(hasty: Http, web: WebServer, tmp_path: Path) -> Tracker:
    mirrors = Mirrors(configured={"debian-security-tracker": (Location(f"{web.origin}/tracker"),)})
    return Tracker(hasty, mirrors, tmp_path / "advisories", SILENT)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (release(fixed="2.36-9+deb12u11"), ("2.36-9+deb12u11", None)),
        (release(fixed="2.36-9+deb12u10"), None),
        (release(fixed="2.36-9+deb12u9"), None),
        (release(fixed="1:2.0-1"), ("1:2.0-1", None)),
        (release(fixed="0"), None),
        (release("open"), (None, None)),
        (release("open", urgency="low"), (None, "low")),
        (release("open", urgency="unimportant"), None),
        (release("open", urgency="end-of-life"), (None, "end-of-life")),
        (release("undetermined"), (None, None)),
        (release(fixed="2.37-1", urgency="high**"), ("2.37-1", "high**")),
    ],
)
def test_a_vulnerability(said: dict[str, object], found: tuple[str | None, str | None] | None) -> None:
    releases = read_tracker(tracked(glibc={"CVE-2026-1": {"bookworm": said}}), place="tracker")
    wanted = (Advisory(ids=("CVE-2026-1",), fixed=found[0], severity=found[1]),) if found else ()
    assert known_of([GLIBC], releases, place="tracker") == {GLIBC: wanted}
    other = debian("glibc", "2.36-9+deb12u10", "trixie")
    assert known_of([other], releases, place="tracker") == {other: ()}


def test_what_the_tracker_does_not_know_has_nothing() -> None:
    releases = read_tracker(tracked(), place="tracker")
    assert known_of([GLIBC, debian("zlib", "1.0-1")], releases, place="tracker") == {
        GLIBC: (),
        debian("zlib", "1.0-1"): (),
    }


def test_only_what_has_changed_is_fetched(tracker: Tracker, web: WebServer) -> None:
    web.files["/tracker/data/json"] = tracked(glibc={"CVE-2026-1": {"bookworm": release("open")}})
    first = tracker.advisories([GLIBC])
    assert [each.ids for each in first[GLIBC]] == [("CVE-2026-1",)]
    assert tracker.advisories([GLIBC]) == first
    assert [request.headers.get("If-None-Match") is not None for request in web.requests] == [False, True]
    [kept] = tracker.folder.iterdir()
    assert b"bullseye" not in kept.read_bytes()
    web.files["/tracker/data/json"] = tracked()
    assert tracker.advisories([GLIBC]) == {GLIBC: ()}
    # What is kept and damaged is fetched anew, and is never taken for an answer.
    whole = kept.read_bytes()
    odd = json.loads(whole)
    for damaged in (
        whole[:-1],
        b"[" * 99_999,
        json.dumps({**odd, "releases": {"glibc": {"CVE-2026-1": {"bookworm": ["open", 5, ""]}}}}).encode(),
        json.dumps({**odd, "releases": []}).encode(),
        json.dumps({**odd, "validators": {"etag": 5}}).encode(),
    ):
        kept.write_bytes(damaged)
        assert tracker.advisories([GLIBC]) == {GLIBC: ()}
        assert web.requests[-1].headers.get("If-None-Match") is None
    # What was said once is no answer where nobody answers.
    web.spoil("/tracker", Fault(status=502))
    with pytest.raises(FetchError) as caught:
        tracker.advisories([GLIBC])
    assert str(caught.value) == (
        f"`{web.origin}/tracker/data/json` cannot be fetched: tried 2 times: HTTP 502"
    )


def test_a_server_without_validators(tracker: Tracker, web: WebServer) -> None:
    web.etags = False
    web.files["/tracker/data/json"] = tracked()
    assert tracker.advisories([GLIBC]) == tracker.advisories([GLIBC]) == {GLIBC: ()}
    assert not tracker.folder.exists()


def test_a_folder(http: Http, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    mirrors = Mirrors(configured={"debian-security-tracker": (Location(tmp_path.as_uri()),)})
    tracker = Tracker(http, mirrors, tmp_path / "kept", SILENT)
    with pytest.raises(FetchError) as caught:
        tracker.advisories([GLIBC])
    assert str(caught.value) == f"`{tmp_path}/data/json` cannot be read: no such file or directory"
    (tmp_path / "data/json").write_bytes(tracked(glibc={"CVE-2026-1": {"bookworm": release("open")}}))
    assert [each.ids for each in tracker.advisories([GLIBC])[GLIBC]] == [("CVE-2026-1",)]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"<html>",
        b"\xff\xfe",
        b'{"glibc": []}',
        b'{"glibc": {"CVE-2026-1": []}}',
        b'{"glibc": {"CVE-2026-1": {}}}',
        b'{"glibc": {"CVE-2026-1": {"releases": []}}}',
        b'{"glibc": {"CVE-2026-1": {"releases": {"bookworm": {}}}}}',
        b'{"glibc": {"CVE-2026-1": {"releases": {"bookworm": {"status": 3}}}}}',
        b'{"glibc": {"CVE-2026-1": {"releases": {"bookworm": {"status": "resolved", "fixed_version": 3}}}}}',
        b'{"glibc": {"CVE-2026-1": {"releases": {"sid": {"status": "open"}}}}}',
        b'{"glibc": {"CVE-2026-1": {"releases": {"bookworm": {"status": "ignored"}}}}}',
        b'{"glibc": {"CVE-2026-1": {"releases": {"bookworm": {"status": "resolved"}}}}}',
        b'{"glibc": {"CVE-1": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "x:1"}}}}}',
        b"[" * 100_000,
        tracked()[:-1],
    ],
)
def test_another_answer_is_never_clean(tracker: Tracker, web: WebServer, body: bytes) -> None:
    web.files["/tracker/data/json"] = body
    with pytest.raises(FetchError) as caught:
        tracker.advisories([GLIBC])
    assert str(caught.value) == f"`{web.origin}/tracker` {NO_TRACKER}"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(status=500), "/data/json` cannot be fetched: tried 2 times: HTTP 500"),
        (Fault(status=404), "/data/json` cannot be fetched: it is not there (HTTP 404)"),
        (Fault(status=304), "/data/json` cannot be fetched: HTTP 304"),
        (Fault(hang=True), "/data/json` cannot be fetched: `127.0.0.1` sent nothing for 0.5 seconds"),
        (LOGIN_PAGE, f"` {NO_TRACKER}"),
    ],
)
def test_a_server_in_trouble(tracker: Tracker, web: WebServer, fault: Fault, reason: str) -> None:
    web.files["/tracker/data/json"] = tracked()
    web.spoil("/tracker", fault)
    with pytest.raises(FetchError) as caught:
        tracker.advisories([GLIBC])
    assert str(caught.value) == f"`{web.origin}/tracker{reason}"


def test_what_is_read_is_small() -> None:
    """Of the document, what no base can have is not kept."""
    content = tracked(glibc={f"CVE-2026-{n}": {"bookworm": release("open")} for n in range(50)})
    releases = read_tracker(content, place="tracker")
    assert len(json.dumps(releases)) < len(content) / 5
