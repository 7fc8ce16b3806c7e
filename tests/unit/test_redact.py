"""What is hidden in text, and what only looks like it and stays."""

import re
import shlex
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from mlimage.process import Command
from mlimage.redact import address, redact, redact_all, redact_quoted, userinfo
from support.credentials import NEEDLE, secret_urls

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see `https://bob:pw@acme.io/x`, or", "see `https://***@acme.io/x`, or"),
        ("https://token@acme.io", "https://***@acme.io"),
        ("git+https://token@acme.io/x.git@v1#egg=x", "git+https://***@acme.io/x.git@v1#egg=x"),
        ("HTTPS://Bob:PW@acme.io", "HTTPS://***@acme.io"),
        ("redis://:pw@cache:6379", "redis://***@cache:6379"),
        ("postgresql+psycopg2://ml:p%40w@db/x", "postgresql+psycopg2://***@db/x"),
        ("ssh://git:pw@acme.io", "ssh://***@acme.io"),
        ("https://bob:p@w@acme.io", "https://***@acme.io"),
        ("https://bob:p/w@acme.io/x", "https://***@acme.io/x"),
        ("https://bob:p?w#x@acme.io/x", "https://***@acme.io/x"),
        ("https://bob:@acme.io", "https://***@acme.io"),
        ("https://bob:pw@[::1]:80/x", "https://***@[::1]:80/x"),
        ("`https://bob:p w\nx@acme.io/y z` is", "`https://***@acme.io/y z` is"),
        ("['https://bob:p\"w@acme.io', 1]", "['https://***@acme.io', 1]"),
        ('{"url":"https://bob:p\\"w@acme.io","b":"c@d"}', '{"url":"https://***@acme.io","b":"c@d"}'),
        ("https:\\/\\/bob:pw@acme.io", "https:\\/\\/***@acme.io"),
        ("?to=https%3A%2F%2Fbob%3Apw%40acme.io", "?to=https%3A%2F%2F***%40acme.io"),
        ("https://a:b@c https://d:e@f", "https://***@c https://***@f"),
        ("`https:/bob:pw@acme.io/r.txt` does not exist", "`https:/***@acme.io/r.txt` does not exist"),
        ("`build x --variant //bob:pw@acme.io/a`", "`build x --variant //***@acme.io/a`"),
        ("`bob:pw@acme.io/a/b:1` is no reference", "`***@acme.io/a/b:1` is no reference"),
        ("`bob:p/w@acme.io` is", "`***@acme.io` is"),
        ("https://acme.io/x?a=1&token=abc&b=2", "https://acme.io/x?a=1&token=***&b=2"),
        ("?X-Amz-Signature=abc&x", "?X-Amz-Signature=***&x"),
        ("?X-Amz-Security-Token=a%2Fb`", "?X-Amz-Security-Token=***`"),
        ("?sv=1\\u0026sig=a%3D", "?sv=1\\u0026sig=***"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("{'Proxy-Authorization': 'Basic Ym9iOnB3'}", "{'Proxy-Authorization': 'Basic ***'}"),
        ("curl -H 'authorization: token abc' x", "curl -H 'authorization: token ***' x"),
        ("PRIVATE-TOKEN: abc", "PRIVATE-TOKEN: ***"),
        ("sent Basic Ym9iOnB3dw==", "sent Basic ***"),
    ],
)
def test_what_is_hidden(text: str, shown: str) -> None:
    assert redact(text) == shown
    assert redact(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        *(
            "bob@acme.io",
            "mailto:bob@acme.io",
            "git@acme.io:ml/x.git",
            "ssh://git@acme.io/x",
            "git+ssh://git@acme.io",
        ),
        *("abfss://container@account.dfs.core.windows.net/x", "s3://bucket/a@b", "file:///a:b/c@d"),
        *("https://acme.io/@scope/x@1.2", "https://acme.io:8080/a@b", "http://localhost:8080/?q=a:b@c"),
        *("http://web:8080/pkg@1.0", "https://[::1]:80/@x", "http://[::1]/a:b@c", "https://@acme.io"),
        *("x @ git+https://acme.io/x.git@v1", "pip install x@git+https://acme.io/x@main"),
        "docker://alpine:3.19@sha256:" + "ab" * 32,
        "ghcr.io/acme/x:1.0@sha256:" + "ab" * 32,
        *(
            f"`{image}@sha256:{'ab' * 32}`"
            for image in ("alpine:3.19", "acme.io:5000/x", "localhost:5000/x:1")
        ),
        *(
            "`mailto:bob@acme.io`",
            "`bob@acme.io`",
            "`x:1@v1`",
            "`git@acme.io:ml/x.git`",
            "// see: bob@acme.io",
        ),
        *("`a:b` bob@acme.io/x", "C:/a:b@c", "file:/a:b@c", "image:tag bob@acme.io"),
        '{"a":"https://acme.io","b":"c@d"}',
        "see https://acme.io: mail bob@acme.io",
        "`https://acme.io:443` and `bob@acme.io`",
        "HTTPS_PROXY=http://NAME:PASSWORD@HOST:PORT",
        "write `https://HOST/PATH`",
        'Bearer realm="https://acme.io/token",service="acme"',
        "Basic authentication is needed, or a Bearer token",
        "authorization: none, token: none",
        "https://acme.io/?q=token&page=2",
        r"https?://[^\s/?#@]+(?:/[^\s?#]*)?",
        *("", "://", "://@", "a://", "@://b:c@"),
    ],
)
def test_what_stays(text: str) -> None:
    assert redact(text) == text
    assert str(Command(argv=(text,))) == shlex.join([text])


def test_files_of_this_project_stay() -> None:
    """Pages, templates, specs, locks and what verbs print of them: none of it has a credential."""
    folders = ("docs", "templates", "images", "lockfiles")
    files = [path for name in folders for path in (ROOT / name).rglob("*") if path.is_file()]
    assert len(files) > 50
    changed = {
        f"{path.relative_to(ROOT)}:{number}"
        for path in files
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if redact(line) != line
    }
    assert changed == set()


@given(st.text(st.sampled_from("ab:/@?#&=`'\" \\\n.9[]%<*")))
@example("https://a:b@c/d:e@f")
def test_what_is_hidden_once_is_hidden(text: str) -> None:
    once = redact(text)
    assert redact(once) == once
    assert redact(text.replace("@", "")) == text.replace("@", "")


_LIKE_A_PORT = re.compile(r"[^:]+://[^:@/?#]+:[0-9]{1,5}[/?#]")


@given(secret_urls())
def test_one_url(url: str) -> None:
    assume(not _LIKE_A_PORT.match(url))
    assert NEEDLE in (userinfo(url) or "")
    assert NEEDLE not in address(url)
    assert NEEDLE not in redact_quoted(f"`{url}` {url!r}", [url])
    assert NEEDLE not in str(Command(argv=("pip", f"--index-url={url}", url)))


@given(secret_urls("@/?:%$&;{}[]()^|~+=,!*aA1\u00e9", users="bobBOB09_%+~!$&;\u00e9"))
def test_a_url_in_a_text(url: str) -> None:
    assume(not _LIKE_A_PORT.match(url))
    for text in (f"see {url} or", f"`{url}`", repr([url]), str({"a": url, "b": "c"})):
        assert NEEDLE not in redact(text), text


@pytest.mark.parametrize(
    ("text", "value", "shown"),
    [
        ("`$ecret@acme.io` stays", "https://bob:pa$ecret@acme.io", "`***@acme.io` stays"),
        ("`-https://bob:pass` is", "-https://bob:pass word@acme.io", "`-https://***` is"),
        ("`PA-SECRET`", "https://bob:pa-secret@acme.io", "`***`"),
        (
            "`x @ git+https://bob:pw@acme.io/x@v1` names a place",
            "x @ git+https://bob:pw@acme.io/x@v1",
            "`x @ git+https://***@acme.io/x@v1` names a place",
        ),
        ("the password of `x`", "https://bob:password@acme.io", "the password of `x`"),
        *(
            (f"`{value}`: `docs` and `questions`", value, f"`{value}`: `docs` and `questions`")
            for value in (
                "docs https://docs.acme.io, questions: ml@acme.io",
                "docs https://docs.acme.io: questions to ml@acme.io",
                "docs https://docs.acme.io:8443, questions: ml@acme.io",
                "docs https://docs.acme.io (questions: root@web)",
                '{"docs": "https://docs.acme.io", "questions": "ml@acme.io"}',
                '{"docs":"https://docs.acme.io","questions":"ml@acme.io"}',
            )
        ),
    ],
)
def test_pieces_of_a_value(text: str, value: str, shown: str) -> None:
    assert redact_quoted(text, [value]) == shown


def test_json_stays_what_it_is() -> None:
    value = {"https://a:b@c": ["https://a:b@c", 1, 1.5, True, None, {"x": ("bob@acme.io",)}]}
    assert redact_all(value) == {
        "https://***@c": ["https://***@c", 1, 1.5, True, None, {"x": ["bob@acme.io"]}]
    }


def test_addresses() -> None:
    assert address("https://user:secret@example.com/f?token=x#y") == "https://example.com/f"
    assert address("https://user:se/cret@example.com/f") == "https://example.com/f"
    assert address("http://[broken/") == "(a URL that cannot be read)"
    assert address("file:///a%20b") == "/a b"
    assert address("file:///here/bob%3Apw%40acme.io/simple") == "/here/***@acme.io/simple"
    assert (userinfo("https://acme.io:80/a@b"), userinfo("x"), userinfo("https://t@h")) == (None, None, "t")
