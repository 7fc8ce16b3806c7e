"""Sources that do the same, and such that do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlimage.content.programs import same_program

PKGUTIL = b"__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"
PLAIN = b'"""Ours."""\nfrom pkgutil import extend_path\n__path__ = extend_path(__path__, __name__)\n'
BOTH = (
    b"try:\n    __import__('pkg_resources').declare_namespace(__name__)\nexcept ImportError:\n"
    b"    __path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"
)
RESOURCES = b"import pkg_resources\npkg_resources.declare_namespace(__name__)\n"


@pytest.mark.parametrize("first", [b"", b"# Copyright\n", b"pass\n", PKGUTIL, PLAIN, BOTH, RESOURCES])
@pytest.mark.parametrize("second", [b"", PKGUTIL, RESOURCES])
def test_what_does_nothing_is_the_same(first: bytes, second: bytes) -> None:
    assert same_program(first, second)


def test_comments_and_layout_do_not_count() -> None:
    assert same_program(b"a = 1\n", b"# Copyright\n\na  =  1  # one\r\n")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (b"a = 1\n", b"a = 2\n"),
        (b"", b"a = 1\n"),
        (b"", b"import os\n"),
        (b"", b"__path__ = extend(__path__)\n"),
        (b"", b"run()\n"),
        (b'"""One."""\na = 1\n', b'"""Two."""\na = 1\n'),
        (b"", b"no program"),
        (b"no program", b"no program "),
        (b"\0", b""),
        (b"a = " + b"+".join([b"a"] * 1500), b"a = " + b"+".join([b"b"] * 1500)),
    ],
)
def test_what_differs(first: bytes, second: bytes) -> None:
    assert not same_program(first, second)
    assert not same_program(second, first)


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_any_bytes_are_the_same_or_not(first: bytes, second: bytes) -> None:
    assert same_program(first, second) == same_program(second, first)
