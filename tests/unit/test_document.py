"""JSON of others: what is read of it, and what is said of what is wrong."""

import json
import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlimage.digest import Digest
from mlimage.document import MAX_DEPTH, DocumentError, Node, read_document

DIGEST = Digest.of(b"")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(JSON.filter(lambda value: value is not None))
def test_json_is_read_as_it_is(value: Any) -> None:
    assert read_document(json.dumps(value).encode()).value == value
    assert read_document(json.dumps(value, ensure_ascii=False).encode()).value == value


@given(st.binary(max_size=60) | st.text('[]{}",:0123456789.eE+-tfn\\u ', max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with suppress(DocumentError):
        assert read_document(content).there


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the document is not JSON: Expecting value at line 1 column 1"),
        (b"{}\n{}", "the document is not JSON: Extra data at line 2 column 1"),
        (b"\xff", "the document is not JSON: it is not UTF-8"),
        ("{}".encode("utf-16"), "the document is not JSON: it is not UTF-8"),
        (b"NaN", "the document is not JSON: it has the number NaN"),
        (b"[-Infinity]", "the document is not JSON: it has the number -Infinity"),
        (b"[1e999]", "the document has a number that is out of range"),
        (b"[1" + b"0" * 5000 + b"]", "the document has a number that is out of range"),
        (b"null", "the document is null"),
        (b"[" * 101 + b"]" * 101, "the document is nested more than 100 levels deep"),
        (b"[" * 99_999, "the document is nested more than 100 levels deep"),
        (b'{"a":' * 99_999, "the document is nested more than 100 levels deep"),
    ],
)
def test_what_is_no_document(content: bytes, message: str) -> None:
    with pytest.raises(DocumentError) as caught:
        read_document(content)
    assert str(caught.value) == message


def test_where_json_leaves_it_open() -> None:
    said = read_document(
        rb'{"a": 1, "a": "\ud800x", "\udfff": "\ud83d\ude00", "A": 3, "n": null, "b": 1e300}'
    )
    assert said.get("a").text() == "\N{REPLACEMENT CHARACTER}x"
    assert said.get("\N{REPLACEMENT CHARACTER}").text() == "\N{GRINNING FACE}"
    assert not said.get("n").there
    assert said.get("n").get("deeper").items() == ()
    assert math.isclose(said.get("b").value, 1e300)
    assert read_document(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH).there


SAID = {
    "config": {"Env": ["A", 5, None], "Labels": {"a": None, "b": 5}, "nul": "x\0y"},
    "sizes": [-1, 2**63, 5.0, True, "5"],
    "digest": "sha256:" + "A" * 64,
    "long": {"k" * 200: 1},
    "a b": {"c.d": []},
}


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda said: said.get("config").get("Env").texts(), "`config.Env[1]` is a number, not text"),
        (lambda said: said.get("config").get("Env").items()[2].text(), "`config.Env[2]` is missing"),
        (lambda said: said.get("config").get("Labels").table(), "`config.Labels.b` is a number, not text"),
        (lambda said: said.get("config").get("Labels").texts(), "`config.Labels` is an object, not a list"),
        (lambda said: said.get("config").get("Env").keys(), "`config.Env` is a list, not an object"),
        (lambda said: said.get("config").get("nul").text(), "`config.nul` has a NUL character"),
        (lambda said: said.get("config").get("x").need(), "`config.x` is missing"),
        (lambda said: said.get("config").get("x").get("y").digest(), "`config.x.y` is missing"),
        (lambda said: said.get("sizes").items()[0].size(), "`sizes[0]` is out of range: -1"),
        (lambda said: said.get("sizes").items()[1].size(), f"`sizes[1]` is out of range: {2**63}"),
        (lambda said: said.get("sizes").items()[2].size(), "`sizes[2]` is a number, not a whole number"),
        (lambda said: said.get("sizes").items()[3].size(), "`sizes[3]` is a boolean, not a whole number"),
        (lambda said: said.get("sizes").items()[4].size(), "`sizes[4]` is text, not a whole number"),
        (
            lambda said: said.get("digest").digest(),
            f"`digest` is not a SHA-256 digest: 'sha256:{'A' * 64}'",
        ),
        (lambda said: said.get("a b").get("c.d").text(), '`["a b"]["c.d"]` is a list, not text'),
        (lambda said: said.get("long").get("k" * 200).text(), f"`long.{'k' * 75}` is a number, not text"),
    ],
)
def test_what_is_wrong_is_named(read: Callable[[Node], object], message: str) -> None:
    with pytest.raises(DocumentError) as caught:
        read(read_document(json.dumps(SAID).encode()))
    assert str(caught.value) == message


def test_what_is_not_there() -> None:
    nothing = read_document(b"{}").get("x")
    assert (nothing.text("default"), nothing.items(), nothing.texts()) == ("default", (), ())
    assert (nothing.table(), nothing.keys()) == ({}, ())
    assert read_document(json.dumps([DIGEST, 7]).encode()).items()[0].digest() == DIGEST
    assert read_document(b"[7]").items()[0].size() == 7
