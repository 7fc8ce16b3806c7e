"""What OSV says, merged; and what only looks like an answer is none."""

import json

import pytest

from mlimage.audit.model import Advisory
from mlimage.audit.osv import Osv, merged
from mlimage.errors import FetchError
from mlimage.fetch import Http
from mlimage.mirrors import Location, Mirrors
from support.advisories import advisory, python, tell_osv
from support.webserver import LOGIN_PAGE, Fault, WebServer

JINJA = python("jinja2", "3.1.3")
NUMPY = python("numpy", "2.4.6")
PILLOW = python("pillow", "10.2.0")
NO_OSV = "does MLIMAGE_MIRROR_OSV name one, and does no proxy answer in its place?"


@pytest.fixture
def osv(hasty: Http, web: WebServer) -> Osv:
    return Osv(hasty, Mirrors(configured={"osv": (Location(web.origin),)}))


def test_one_request_for_all_packages(osv: Osv, web: WebServer) -> None:
    found = advisory("GHSA-h75v-3vvj-5mfj", "Jinja2", fixed=["3.1.4"], severity="MODERATE")
    tell_osv(web, [JINJA, NUMPY], {"jinja2": [found]})
    assert osv.advisories([JINJA, NUMPY]) == {
        JINJA: (Advisory(ids=("GHSA-h75v-3vvj-5mfj",), fixed="3.1.4", severity="medium"),),
        NUMPY: (),
    }
    assert web.paths() == ["/v1/querybatch", "/v1/vulns/GHSA-h75v-3vvj-5mfj"]
    assert json.loads(web.requests[0].body) == {
        "queries": [
            {"package": {"ecosystem": "PyPI", "name": "jinja2"}, "version": "3.1.3"},
            {"package": {"ecosystem": "PyPI", "name": "numpy"}, "version": "2.4.6"},
        ]
    }


def test_an_advisory_of_two_packages_is_asked_for_once(osv: Osv, web: WebServer) -> None:
    both = advisory("CVE-2026-1", "jinja2", fixed=["3.2"])
    tell_osv(web, [JINJA, PILLOW], {"jinja2": [both], "pillow": [both]})
    found = osv.advisories([JINJA, PILLOW])
    assert [each.fixed for each in (*found[JINJA], *found[PILLOW])] == ["3.2", None]
    assert web.paths().count("/v1/vulns/CVE-2026-1") == 1


def test_further_pages(osv: Osv, web: WebServer) -> None:
    for name in ("CVE-2026-1", "CVE-2026-2"):
        tell_osv(web, [JINJA], {"jinja2": [advisory(name, "jinja2")]})
    second = web.files["/v1/querybatch"]
    first = json.dumps({"results": [{"vulns": [{"id": "CVE-2026-1"}], "next_page_token": "more"}]})
    web.spoil("/v1/querybatch", Fault(status=200, body=first.encode()), times=1)
    assert [each.ids for each in osv.advisories([JINJA])[JINJA]] == [("CVE-2026-1",), ("CVE-2026-2",)]
    assert b'"page_token": "more"' in web.requests[1].body
    assert second in web.files.values()
    # A server that always has more ends too.
    web.spoil("/v1/querybatch", Fault(status=200, body=first.encode()))
    with pytest.raises(FetchError) as caught:
        osv.advisories([JINJA])
    assert str(caught.value) == f"`{web.origin}` cannot be asked: its answer has no end"


def test_names_of_one_thing_are_one_advisory() -> None:
    documents = [
        advisory("GHSA-aaaa", "jinja2", fixed=["3.1.4"], aliases=["CVE-2026-1"], severity="LOW"),
        advisory("PYSEC-2026-7", "Jinja2", fixed=["3.1.5", "3.1.2"], aliases=["CVE-2026-1", "GHSA-aaaa"]),
        advisory("GHSA-bbbb", "jinja2", severity="CRITICAL"),
        # It joins two that had nothing in common before.
        advisory("OTHER-1", "jinja2", aliases=["GHSA-cccc", "CVE-2026-3"], severity="HIGH"),
        advisory("GHSA-dddd", "jinja2", aliases=["CVE-2026-4"]),
        advisory("PYSEC-2026-9", "jinja2", aliases=["CVE-2026-3", "CVE-2026-4"], severity="odd"),
    ]
    assert merged(documents, JINJA) == (
        Advisory(ids=("CVE-2026-1", "GHSA-aaaa", "PYSEC-2026-7"), fixed="3.1.4", severity="low"),
        Advisory(
            ids=("CVE-2026-3", "CVE-2026-4", "GHSA-cccc", "GHSA-dddd", "PYSEC-2026-9", "OTHER-1"),
            fixed=None,
            severity="high",
        ),
        Advisory(ids=("GHSA-bbbb",), fixed=None, severity="critical"),
    )


def test_withdrawn_advisories_are_none() -> None:
    withdrawn = advisory("GHSA-aaaa", "jinja2", aliases=["CVE-2026-1"], withdrawn="2026-04-01T00:00:00Z")
    assert merged([withdrawn], JINJA) == ()
    kept = advisory("PYSEC-2026-1", "jinja2", aliases=["CVE-2026-1"])
    assert [each.ids for each in merged([withdrawn, kept], JINJA)] == [("CVE-2026-1", "PYSEC-2026-1")]


@pytest.mark.parametrize(
    "odd",
    [
        {"affected": None},
        {"affected": "jinja2"},
        {"affected": [None, {"package": None}, {"package": {"name": "jinja2", "ecosystem": "PyPI"}}]},
        {
            "affected": [
                {"package": {"name": "jinja2", "ecosystem": "PyPI"}, "ranges": [{"events": [1, None]}]}
            ]
        },
        {"affected": [{"package": {"name": "jinja2", "ecosystem": "npm"}, "ranges": []}]},
        {"aliases": None, "severity": 7, "database_specific": {"severity": 3}},
        {"aliases": [1, None]},
    ],
)
def test_what_is_odd_in_an_advisory_hides_none(odd: dict[str, object]) -> None:
    document = advisory("CVE-2026-1", "jinja2") | odd
    assert merged([document], JINJA) == (Advisory(ids=("CVE-2026-1",), fixed=None, severity=None),)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"<html>",
        b'{"results": {}}',
        b'{"results": []}',
        b'{"results": [{}]}',
        b'{"results": [{}, {}, {}]}',
        b'{"results": [null, {}]}',
        b'{"results": [{"vulns": null}, {}]}',
        b'{"results": [{"vulns": [{}]}, {}]}',
        b'{"results": [{"vulns": [{"id": 3}]}, {}]}',
        b'{"results": [{"vulns": [{"id": "../../etc"}]}, {}]}',
        b'{"results": [{"next_page_token": 3}, {}]}',
        b"[" * 100_000,
    ],
)
def test_another_answer_is_never_clean(osv: Osv, web: WebServer, body: bytes) -> None:
    web.files["/v1/querybatch"] = body
    with pytest.raises(FetchError) as caught:
        osv.advisories([JINJA, NUMPY])
    assert (str(caught.value), caught.value.hint) == (
        f"`{web.origin}/v1/querybatch` does not answer as OSV does",
        NO_OSV,
    )


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"id": "CVE-2026-2"}', b'{"id": "CVE-2026-1", "schema_version": "2.0.0"}'],
)
def test_another_advisory_is_never_passed_over(osv: Osv, web: WebServer, body: bytes) -> None:
    tell_osv(web, [JINJA], {"jinja2": [advisory("CVE-2026-1", "jinja2")]})
    web.files["/v1/vulns/CVE-2026-1"] = body
    with pytest.raises(FetchError) as caught:
        osv.advisories([JINJA])
    assert str(caught.value) == f"`{web.origin}/v1/vulns/CVE-2026-1` does not answer as OSV does"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(status=500), "cannot be {}: tried 2 times: HTTP 500"),
        (Fault(status=429), "cannot be {}: tried 2 times: HTTP 429"),
        (Fault(status=404), "cannot be {}: it is not there (HTTP 404)"),
        (Fault(status=403), "cannot be {}: access is refused (HTTP 403)"),
        (Fault(hang=True), "cannot be {}: `127.0.0.1` sent nothing for 0.5 seconds"),
        (LOGIN_PAGE, "does not answer as OSV does"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/querybatch", "/v1/vulns/CVE-2026-1"])
def test_a_server_in_trouble(osv: Osv, web: WebServer, path: str, fault: Fault, reason: str) -> None:
    tell_osv(web, [JINJA], {"jinja2": [advisory("CVE-2026-1", "jinja2")]})
    web.spoil(path, fault)
    with pytest.raises(FetchError) as caught:
        osv.advisories([JINJA])
    asked = reason.format("sent to" if path.endswith("batch") else "fetched")
    assert str(caught.value) == f"`{web.origin}{path}` {asked}"


def test_a_server_that_recovers(osv: Osv, web: WebServer) -> None:
    tell_osv(web, [JINJA], {})
    web.spoil("/v1/querybatch", Fault(status=503), times=1)
    assert osv.advisories([JINJA]) == {JINJA: ()}


def test_another_mirror(http: Http, web: WebServer) -> None:
    tell_osv(web, [JINJA], {})
    places = (Location("http://127.0.0.1:9"), Location(web.origin))
    assert Osv(http, Mirrors(configured={"osv": places})).advisories([JINJA]) == {JINJA: ()}
    with pytest.raises(FetchError) as caught:
        Osv(http, Mirrors(configured={"osv": places[:1]})).advisories([JINJA])
    assert str(caught.value) == (
        "`http://127.0.0.1:9/v1/querybatch` cannot be sent to: tried 2 times: "
        "`127.0.0.1` refuses the connection"
    )


def test_its_own_place() -> None:
    assert [str(place) for place in Mirrors(configured={}).service("osv", "https://osv.example.com")] == [
        "https://osv.example.com"
    ]
    environ = {"MLIMAGE_MIRROR_OSV": "https://a.example.com https://b.example.com/osv/"}
    chosen = Mirrors(configured={}, environ=environ).service("osv", "https://osv.example.com")
    assert [str(place) for place in chosen] == ["https://a.example.com", "https://b.example.com/osv"]
