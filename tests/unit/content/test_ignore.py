"""`.dockerignore` as Docker reads it: a table from its reference and its tests, and a slow model."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlimage.content.ignore import read_ignore
from mlimage.errors import BuildError


@pytest.mark.parametrize(
    ("lines", "path", "ignored"),
    [
        ("*.py", "a.py", True),
        ("*.py", "a/b.py", False),
        ("**/*.py", "a.py", True),
        ("**/*.py", "a/b/c.py", True),
        ("a", "a", True),
        ("a", "a/b/c", True),
        ("a", "b/a", False),
        ("/a", "a", True),
        ("/a/", "a/b", True),
        ("./a/../b", "b", True),
        ("a/**", "a", False),
        ("a/**", "a/b/c", True),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a/**/b", "a/xb", False),
        ("**", "a/b", True),
        ("**/a", "a", True),
        ("**/a", "x/y/a/z", True),
        ("**/a", "xa", False),
        ("**a", "xa", True),
        ("**.txt", "d/x.txt", True),
        ("a**/x", "abc/d/x", True),
        ("a**/x", "a/x", True),
        ("a**/x", "abx", False),
        ("a**/x", "ax", True),
        ("?", "a", True),
        ("?", "ab", False),
        ("a?b", "a/b", False),
        ("a*b", "a/b", False),
        ("*/b", "a/b", True),
        ("a.b", "axb", False),
        ("a+(b){c}|$^", "a+(b){c}|$^", True),
        ("[a-c]x", "bx", True),
        ("[^a-c]x", "bx", False),
        ("[^a-c]x", "dx", True),
        ("[!a]x", "!x", True),
        ("[a\\]]", "]", True),
        ("\\*", "*", True),
        ("\\*", "x", False),
        ("\\#x", "#x", True),
        ("\\!x", "!x", True),
        ("größe?", "größe☃", True),
        ("A", "a", False),
        ("# comment", "# comment", False),
        (" # no comment", "# no comment", True),
        ("   a   ", "a", True),
        ("\ufeffa", "a", True),
        ("", "a", False),
        (".", "a", False),
        ("/", "a", False),
        ("..", "a", False),
        ("../a", "a", False),
        ("*\n!a", "a", False),
        ("*\n!a", "a/b", False),
        ("*\n!a", "b", True),
        ("!a\n*", "a", True),
        ("a\n!a/b\na/b/c", "a/b/c", True),
        ("a\n!a/b\na/b/c", "a/b/d", False),
        ("a\n!a/b\na/b/c", "a/x", True),
        ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md", True),
        ("*.md\n!README*.md\nREADME-secret.md", "README-1.md", False),
        ("*\n! a ", "a", False),
        ("*\n!/a/", "a", False),
    ],
)
def test_as_docker(lines: str, path: str, *, ignored: bool) -> None:
    assert read_ignore(lines.split("\n")).ignores(path) is ignored


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("!", "the ignore pattern `!` has nothing after `!`"),
        ("!  ", "the ignore pattern `!` has nothing after `!`"),
        ("a[", "the ignore pattern `a[` has `[` without `]`"),
        ("a[b", "the ignore pattern `a[b` has `[` without `]`"),
        ("a[]", "the ignore pattern `a[]` has a malformed `[…]`"),
        ("a[]b]", "the ignore pattern `a[]b]` has a malformed `[…]`"),
        ("a[b-]", "the ignore pattern `a[b-]` has a malformed `[…]`"),
        ("a[-b]", "the ignore pattern `a[-b]` has a malformed `[…]`"),
        ("a[^]", "the ignore pattern `a[^]` has a malformed `[…]`"),
        ("a\\", "the ignore pattern `a\\` ends with a single `\\`"),
    ],
)
def test_malformed_patterns_are_errors(line: str, message: str) -> None:
    with pytest.raises(BuildError) as caught:
        read_ignore([line])
    assert str(caught.value) == message


def matches(pattern: list[str], path: list[str]) -> bool:
    """Whether the parts of a pattern without classes or escapes match a whole path, the slow way."""
    if not pattern:
        return not path
    first, rest = pattern[0], pattern[1:]
    if first == "**":
        if not rest:
            return bool(path)
        return any(matches(rest, path[count:]) for count in range(len(path) + 1))
    return bool(path) and part_matches(first, path[0]) and matches(rest, path[1:])


def part_matches(pattern: str, part: str) -> bool:
    if not pattern:
        return not part
    if pattern[0] == "*":
        return any(part_matches(pattern[1:], part[count:]) for count in range(len(part) + 1))
    return bool(part) and pattern[0] in {"?", part[0]} and part_matches(pattern[1:], part[1:])


def model(patterns: list[tuple[bool, list[str]]], path: list[str]) -> bool:
    ignored = False
    for include, pattern in patterns:
        if any(matches(pattern, path[:count]) for count in range(1, len(path) + 1)):
            ignored = not include
    return ignored


parts = st.text(st.sampled_from("ab.+*?"), min_size=1, max_size=3).filter(
    lambda part: "**" not in part and part not in {".", ".."}
)
names = st.text(st.sampled_from("ab.+"), min_size=1, max_size=3).filter(lambda name: name not in {".", ".."})
patterns = st.lists(st.one_of(parts, parts, st.just("**")), min_size=1, max_size=4)


@settings(max_examples=500, deadline=None)
@given(
    rules=st.lists(st.tuples(st.booleans(), patterns), max_size=4),
    path=st.lists(names, min_size=1, max_size=4),
)
def test_as_the_model(rules: list[tuple[bool, list[str]]], path: list[str]) -> None:
    lines = [
        ("!" if include else "") + "/" * (len(pattern) % 2) + "/".join(pattern) for include, pattern in rules
    ]
    assert read_ignore(lines).ignores("/".join(path)) is model(rules, path)


@settings(max_examples=500, deadline=None)
@given(
    line=st.text(st.sampled_from("ab/*?[]^-\\!#. \u00e4"), max_size=12),
    path=st.lists(names, min_size=1, max_size=3),
)
def test_any_line_is_read_or_refused(line: str, path: list[str]) -> None:
    try:
        rules = read_ignore([line])
    except BuildError:
        return
    assert rules.ignores("/".join(path)) in {True, False}
