"""YAML in, nodes with places out; whatever comes in, nothing but `SpecError` comes out besides."""

from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from mlimage.errors import SpecError
from mlimage.spec.load import parse_spec
from mlimage.spec.model import ImageSpec
from mlimage.spec.nodes import Scalar, at, plain
from mlimage.spec.source import read_yaml

_WORDS = (
    "\n  ",
    "name: ",
    "no",
    "<<: ",
    "- ",
    "---\n",
    "env:\n",
    "base: ",
    "debian: ",
    "user: ",
    "command: ",
)
_LETTERS = st.sampled_from([*"ab:-[]{}&*!|>'\"%@`#,? \n\t0123.~<=_é\u2028\ufeff", *_WORDS])
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
_KEYS = st.sampled_from([*ImageSpec.model_fields, "x"])


def _decode(content: bytes) -> None:
    try:
        parse_spec(content, path="images/x/mlimage.yaml", folder="x")
    except SpecError as error:
        places = [(problem.line, problem.column) for problem in error.problems]
    else:
        places = [(1, 1)]
    assert places
    assert min(map(min, places)) >= 1


@given(st.binary(max_size=200))
@example(b"\xef\xbb\xbf\xff")
@example(b"\xff\xfe")
def test_any_bytes_decode_or_raise_a_spec_error(content: bytes) -> None:
    _decode(content)


@given(st.lists(_LETTERS, max_size=40).map("".join))
@example("? [a]\n: b")
@example("&a a: *a")
@example("a: 9" + "9" * 5000)
@example("a: " + "1:" * 5000 + "1")
@example("a: 0b_")
@example("user: " + "9" * 5000)
@example("a: 1e999")
@example("<<")
@example("base: {<debian>: 1, <image>: 2}")
@example("env: {'[key]': 1}")
@example("env: {'[key]': [1], 'a b': {'[key]': 1}}")
def test_any_text_decodes_or_raises_a_spec_error(text: str) -> None:
    _decode(text.encode())


@given(st.dictionaries(_KEYS, _VALUES, max_size=6))
def test_any_values_decode_or_raise_a_spec_error(values: dict[str, object]) -> None:
    _decode(yaml.safe_dump(values, allow_unicode=True).encode())


@given(st.dictionaries(st.text(), st.text() | st.lists(st.text()) | st.integers(), min_size=1))
def test_libyaml_and_python_read_the_same(values: dict[str, object]) -> None:
    content = yaml.safe_dump(values).encode()
    fast, fast_problems = read_yaml(content, path="x")
    slow, slow_problems = read_yaml(content, path="x", loader=yaml.SafeLoader)
    assert plain(fast) == plain(slow)
    assert fast_problems == slow_problems


def test_places_count_characters_from_one() -> None:
    root, problems = read_yaml('\ufeffä: ö\nkey:\r\n  - "é": [x]\n'.encode(), path="x")
    assert problems == ()
    found = at(root, ("key", 0, "é", 0))
    assert found is not None
    assert (found.line, found.column) == (3, 11)


def test_aliases_are_values_at_their_anchors_place() -> None:
    root, _ = read_yaml(b"a: &x {b: c}\nd: *x\n", path="x")
    assert plain(root) == {"a": {"b": "c"}, "d": {"b": "c"}}
    found = at(root, ("d", "b"))
    assert found is not None
    assert (found.line, found.column) == (1, 11)


def test_str_tag_makes_text() -> None:
    assert plain(read_yaml(b"a: !!str 3.10\n", path="x")[0]) == {"a": "3.10"}


def test_a_file_that_is_too_large_is_refused() -> None:
    content = b"a: [" + b"x," * 25_000 + b"]"
    with pytest.raises(SpecError) as caught:
        read_yaml(content, path="x.yaml")
    assert str(caught.value) == "x.yaml:1:4: more than 20,000 values"


def test_brackets_do_not_end_the_process() -> None:
    for loader in (yaml.SafeLoader, yaml.CSafeLoader):
        with pytest.raises(SpecError) as caught:
            read_yaml(b"a: " + b"[" * 100_000, path="x.yaml", loader=loader)
        assert str(caught.value) == "x.yaml:1:23: nested deeper than 20 levels"


@pytest.mark.parametrize("loader", [yaml.SafeLoader, yaml.CSafeLoader])
@pytest.mark.parametrize(
    ("written", "named"),
    [
        (r"\0", "U+0000"),
        (r"\e", "U+001B"),
        (r"\x1b[2J", "U+001B"),
        (r"\x7f", "U+007F"),
        (r"\x9b", "U+009B"),
        (r"\r", "U+000D"),
        (r"\N", "U+0085"),
        (r"\u202e", "U+202E"),
        ("\u202e", "U+202E"),
        (r"\U00002066", "U+2066"),
    ],
)
def test_a_control_character_is_named_with_its_place(written: str, named: str, loader: Any) -> None:
    """However it is written: as it is, or as an escape, which the file's own text does not show."""
    content = f'a: b\nc:\n  - "x{written}y"\n'.encode()
    root, problems = read_yaml(content, path="x.yaml", loader=loader)
    assert [str(problem) for problem in problems] == [
        f"x.yaml:3:5: the control character {named} is not text"
    ]
    found = at(root, ("c", 0))
    assert isinstance(found, Scalar)
    assert str(found.value).startswith("x\N{REPLACEMENT CHARACTER}")


@pytest.mark.parametrize("escape", [r"\d", r"\ud800", r"\x1"])
def test_an_escape_that_is_none(escape: str) -> None:
    with pytest.raises(SpecError) as caught:
        read_yaml(f'a: b\nc: "x{escape}"\n'.encode(), path="x.yaml", loader=yaml.CSafeLoader)
    [problem] = caught.value.problems
    assert (problem.line, problem.hint) == (
        2,
        "in double quotes a backslash begins an escape: write two, or use single quotes",
    )


def test_a_control_character_is_told_once() -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec(b'name: x\nenv: {"A\\e": "1"}\napp: {source: "a\\0"}\n', path="x.yaml", folder="x")
    assert [str(problem) for problem in caught.value.problems if problem.line > 1] == [
        "x.yaml:2:7: the control character U+001B is not text",
        "x.yaml:3:15: the control character U+0000 is not text",
    ]


@pytest.mark.parametrize("where", ['name: "x\\0"', '"x\\e": 1', 'env: {A: "\\0"}', 'labels: {"a\\u202e": b}'])
def test_a_spec_with_a_control_character(where: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec(where.encode(), path="x.yaml", folder="x")
    assert any("is not text" in problem.message for problem in caught.value.problems)


def test_line_feeds_and_tabs_are_text() -> None:
    root, problems = read_yaml(b'a: |\n  one\n  \ttwo\r\n  three\nb: "x\\n\\ty"\n', path="x")
    assert (plain(root), problems) == ({"a": "one\n\ttwo\nthree\n", "b": "x\n\ty"}, ())
