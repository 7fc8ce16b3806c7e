import json
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name

from mlimage.digest import Digest
from mlimage.errors import FetchError
from mlimage.lock.files import IndexFile
from mlimage.lock.pages import HTML_TYPE, JSON_TYPE, Page, as_html, as_json, parse_page

HEX = "ab" * 32
JSON = "application/vnd.pypi.simple.v1+json"
NO_PAGE = (
    "`https://example.com/simple/demo/` answers with JSON that is no project page (PEP 691) "
    "(asked for `demo`)"
)
TOO_NEW = (
    "`https://example.com/simple/demo/` speaks version 2.0 of the index interface; mlimage knows version 1 "
    "(asked for `demo`)"
)


def page(content: bytes | str, content_type: str, url: str = "https://example.com/simple/demo/") -> Page:
    return Page(
        content=content if isinstance(content, bytes) else content.encode(),
        content_type=content_type,
        url=url,
        index="default",
        project=canonicalize_name("demo"),
    )


def file(**fields: object) -> IndexFile:
    given_fields: dict[str, object] = {
        "index": "default",
        "project": "demo",
        "filename": "demo-1.0-py3-none-any.whl",
        "url": "https://example.com/files/demo-1.0-py3-none-any.whl",
        "sha256": Digest.from_hex(HEX),
        **fields,
    }
    return IndexFile(**given_fields)  # type: ignore[arg-type]  # a builder for tests


def test_json_with_everything() -> None:
    body = {
        "meta": {"api-version": "1.4"},
        "name": "demo",
        "files": [
            {
                "filename": "demo-1.0-py3-none-any.whl",
                "url": "../../files/demo-1.0-py3-none-any.whl",
                "hashes": {"sha256": HEX.upper(), "md5": "x"},
                "requires-python": ">=3.9",
                "size": 1234,
                "upload-time": "2026-01-02T03:04:05.678901Z",
                "yanked": "broken",
                "core-metadata": {"sha256": "cd" * 32},
            }
        ],
    }
    assert parse_page(page(json.dumps(body), JSON + "; charset=utf-8")) == (
        file(
            size=1234,
            upload_time=datetime(2026, 1, 2, 3, 4, 5, 678901, UTC),
            yanked="broken",
            requires_python=">=3.9",
            offers_metadata=True,
            metadata_sha256=Digest.from_hex("cd" * 32),
        ),
    )


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({}, {}),
        ({"yanked": True}, {"yanked": ""}),
        ({"yanked": False}, {}),
        ({"hashes": {}}, {"sha256": None}),
        ({"hashes": {"sha256": "short"}}, {"sha256": None}),
        ({"hashes": None}, {"sha256": None}),
        ({"size": -1}, {}),
        ({"size": True}, {}),
        ({"upload-time": "yesterday"}, {}),
        ({"upload-time": "0001-01-01T00:00:00+14:00"}, {}),
        ({"core-metadata": True}, {"offers_metadata": True}),
        (
            {"dist-info-metadata": {"sha256": HEX}},
            {"offers_metadata": True, "metadata_sha256": Digest.from_hex(HEX)},
        ),
        ({"core-metadata": False, "dist-info-metadata": True}, {}),
        ({"url": "https://other.example.com/x.whl"}, {"url": "https://other.example.com/x.whl"}),
    ],
)
def test_json_as_it_varies(entry: dict[str, object], expected: dict[str, object]) -> None:
    whole = {
        "filename": "demo-1.0-py3-none-any.whl",
        "url": "https://example.com/files/demo-1.0-py3-none-any.whl",
        "hashes": {"sha256": HEX},
        **entry,
    }
    body = json.dumps({"meta": {"api-version": "1.0"}, "files": [whole]})
    assert parse_page(page(body, JSON)) == (file(**expected),)


@pytest.mark.parametrize(
    "entry",
    [
        "text",
        {"url": "https://example.com/x.whl"},
        {"filename": "../../etc/passwd", "url": "https://example.com/x.whl"},
        {"filename": "x\n.whl", "url": "https://example.com/x.whl"},
        {"filename": "x.whl", "url": "file:///etc/passwd"},
        {"filename": "x.whl", "url": "ftp://example.com/x.whl"},
        {"filename": "x.whl", "url": "http://[broken"},
        {"filename": "x.whl", "url": 3},
        {"filename": "x\ud800.whl", "url": "https://example.com/x.whl"},
        {"filename": "x.whl", "url": "https://example.com/\ud800"},
    ],
)
def test_entries_that_lead_astray_are_passed_over(entry: object) -> None:
    assert parse_page(page(json.dumps({"meta": {"api-version": "1.0"}, "files": [entry]}), JSON)) == ()


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        (
            "{",
            JSON,
            NO_PAGE,
        ),
        (
            "[]",
            JSON,
            NO_PAGE,
        ),
        (
            '{"meta":{"api-version":"1.0"},"files":{}}',
            JSON,
            NO_PAGE,
        ),
        (
            '{"meta":{"api-version":"2.0"},"files":[]}',
            JSON,
            TOO_NEW,
        ),
        (
            "x",
            "image/png",
            (
                "`https://example.com/simple/demo/` answers with `image/png`, which is no index page "
                "(asked for `demo`)"
            ),
        ),
        (
            "x",
            "",
            (
                "`https://example.com/simple/demo/` answers with `no content type`, which is no index page "
                "(asked for `demo`)"
            ),
        ),
        (
            "<html><form action=/login></form>",
            "text/html",
            (
                "`https://example.com/simple/demo/` answers with a web page that is no index page "
                "(asked for `demo`)"
            ),
        ),
    ],
)
def test_what_is_no_page(body: str, kind: str, message: str) -> None:
    with pytest.raises(FetchError) as caught:
        parse_page(page(body, kind))
    assert str(caught.value) == message


HTML = f"""<!DOCTYPE html>
<html><head><base href="https://cdn.example.com/a/"><title>Links for demo</title></head><body>
<a href="demo-1.0-py3-none-any.whl#sha256={HEX}" data-requires-python="&gt;=3.9,&lt;4"
   data-yanked="" data-core-metadata="sha256={HEX}">demo-1.0-py3-none-any.whl</a>
<A HREF='/b/demo-1.1%2Blocal-py3-none-any.whl#egg=demo&amp;sha256={HEX}'
   data-upload-time="2026-01-01T00:00:00Z">x</A>
<a href="demo-1.2.tar.gz#md5=0123" data-dist-info-metadata="true">y</a>
<a href="demo-1.3-py3-none-any.whl" data-yanked data-core-metadata="false">z</a>
<a href="javascript:alert(1)">bad</a> <a href="file:///etc/passwd">bad</a> <a>bad</a> <a href="/">up</a>
<a href="x%2F..%2Fy.whl#sha256={HEX}">slash</a>
</body></html>"""


def test_html() -> None:
    cdn = "https://cdn.example.com"
    assert parse_page(page(HTML, "text/html; charset=UTF-8")) == (
        file(
            url=f"{cdn}/a/demo-1.0-py3-none-any.whl",
            requires_python=">=3.9,<4",
            yanked="",
            offers_metadata=True,
            metadata_sha256=Digest.from_hex(HEX),
        ),
        file(
            filename="demo-1.1+local-py3-none-any.whl",
            url=f"{cdn}/b/demo-1.1%2Blocal-py3-none-any.whl",
            upload_time=datetime(2026, 1, 1, tzinfo=UTC),
        ),
        file(filename="demo-1.2.tar.gz", url=f"{cdn}/a/demo-1.2.tar.gz", sha256=None, offers_metadata=True),
        file(
            filename="demo-1.3-py3-none-any.whl",
            url=f"{cdn}/a/demo-1.3-py3-none-any.whl",
            sha256=None,
            yanked="",
        ),
    )


def test_html_of_a_folder_may_lead_into_folders() -> None:
    found = parse_page(
        page(
            f'<a href="../../files/demo-1.0-py3-none-any.whl#sha256={HEX}">x</a>',
            "text/html",
            "file:///srv/simple/demo/index.html",
        )
    )
    assert found == (file(url="file:///srv/files/demo-1.0-py3-none-any.whl"),)


@pytest.mark.parametrize("base", ["http://[broken", "", "ftp://example.com/"])
def test_a_base_that_leads_astray_is_passed_over(base: str) -> None:
    body = f'<base href="{base}"><a href="/files/demo-1.0-py3-none-any.whl#sha256={HEX}">x</a>'
    assert parse_page(page(body, "text/html")) == (file(),)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<h1>Links for demo</h1>",
        "<title>Index of /simple/demo/</title><a href='../'>../</a>",
        "<title>Links</title><a href='DEMO-0.1.win32.exe'>old</a>",
    ],
)
def test_a_page_may_be_of_a_project_without_wheels(body: str) -> None:
    found = parse_page(page(f"<!DOCTYPE html><html><body>{body}</body></html>", "text/html"))
    assert not any(file.is_wheel for file in found)


@pytest.mark.parametrize(
    ("body", "title"),
    [
        ("<title> Sign in &amp; up </title>Please <a href=/login>sign in</a>", " (`Sign in & up`)"),
        ("<p>Your request was blocked.</p>", ""),
        ("<title>x</title><script src=/challenge.js></script>", " (`x`)"),
        ("<a href=/files/other-1.0-py3-none-any.whl>other</a>", ""),
    ],
)
def test_a_page_about_something_else(body: str, title: str) -> None:
    with pytest.raises(FetchError) as caught:
        parse_page(page(f"<html>{body}</html>", "text/html"))
    assert str(caught.value) == (
        f"`https://example.com/simple/demo/` answers with a web page{title} that is no index page "
        "(asked for `demo`)"
    )
    assert caught.value.hint == "is a login, or a proxy, in between? open the URL in a browser"


@given(st.binary(max_size=300) | st.text(alphabet="<>a href='\"=#&;/:.[]x", max_size=200).map(str.encode))
def test_any_html_is_files_or_a_fetch_error(body: bytes) -> None:
    try:
        found = parse_page(page(body, "text/html"))
    except FetchError:
        return
    assert all(entry.url.startswith(("http:", "https:")) and "/" not in entry.filename for entry in found)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["filename", "url", "hashes", "sha256", "size", "yanked", "core-metadata"]), inner
        )
    ),
    max_leaves=12,
)


@given(ANY_JSON)
def test_any_json_is_files_or_a_fetch_error(entry: object) -> None:
    body = json.dumps({"meta": {"api-version": "1.0"}, "files": [entry]})
    for found in parse_page(page(body, JSON)):
        assert "/" not in found.filename


@pytest.mark.parametrize("bomb", ["<a ", "<!--", "<a href='", "<a \"'", "<script>", "<base", "&", "</a "])
def test_a_page_takes_time_in_proportion(bomb: str) -> None:
    began = time.process_time()
    with suppress(FetchError):
        parse_page(page(bomb * 100_000, "text/html"))
    assert time.process_time() - began < 5


def test_links_in_comments_and_scripts_are_none() -> None:
    link = f'<a href="/files/demo-1.0-py3-none-any.whl#sha256={HEX}">x</a>'
    evil = link.replace("1.0", "6.6")
    body = f"<!-- {evil} --><SCRIPT>{evil}</Script><style>{evil}</style>{link}<!-- {evil}"
    assert parse_page(page(body, "text/html")) == (file(),)


FILES = st.builds(
    IndexFile,
    index=st.just("default"),
    project=st.just(canonicalize_name("demo")),
    filename=st.sampled_from(["demo-1.0-py3-none-any.whl", "demo-1!2.0+x-py3-none-any.whl"]),
    url=st.just(""),
    sha256=st.sampled_from([None, Digest.from_hex(HEX)]),
    yanked=st.none() | st.text(alphabet="a '\"<>&;é", max_size=20),
    requires_python=st.sampled_from([None, ">=3.9,<4", "<3"]),
    offers_metadata=st.just(True),
)


@given(FILES)
def test_pages_are_read_as_they_are_written(entry: IndexFile) -> None:
    for written, kind in ((as_json([entry]), JSON_TYPE), (as_html([entry]), HTML_TYPE)):
        (found,) = parse_page(page(written, kind, "https://example.com/secret/simple/demo/"))
        assert replace(found, url="") == entry
