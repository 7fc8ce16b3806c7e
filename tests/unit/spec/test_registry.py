"""References to images, as Docker reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlimage.digest import Digest
from mlimage.spec.registry import _FORM, Reference, is_reference, parse_reference

DIGEST = Digest.of(b"")


@pytest.mark.parametrize(
    ("text", "whole", "selector"),
    [
        ("python", "docker.io/library/python:latest", "latest"),
        ("python:3.11", "docker.io/library/python:3.11", "3.11"),
        ("team/base", "docker.io/team/base:latest", "latest"),
        ("docker.io/python:3", "docker.io/library/python:3", "3"),
        ("index.docker.io/python:3", "docker.io/library/python:3", "3"),
        ("localhost/base:1", "localhost/base:1", "1"),
        ("localhost:5000/a/b", "localhost:5000/a/b:latest", "latest"),
        ("GHCR.example/org/base:1", "ghcr.example/org/base:1", "1"),
        (f"python@{DIGEST}", f"docker.io/library/python@{DIGEST}", DIGEST),
        (f"python:3.11@{DIGEST}", f"docker.io/library/python:3.11@{DIGEST}", DIGEST),
    ],
)
def test_what_is_left_out(text: str, whole: str, selector: str) -> None:
    found = parse_reference(text)
    assert (str(found), found.selector) == (whole, selector)


def test_parts() -> None:
    found = parse_reference(f"r.example:5000/org/base:1@{DIGEST}")
    assert found == Reference(registry="r.example:5000", repository="org/base", tag="1", digest=DIGEST)
    assert found.name == f"org/base:1@{DIGEST}"


@given(st.from_regex(_FORM, fullmatch=True))
def test_a_whole_reference_means_itself(text: str) -> None:
    assert is_reference(text)
    found = parse_reference(text)
    assert parse_reference(str(found)) == found
