"""Debian's order of versions, as dpkg has it."""

import subprocess
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlimage.audit.debversion import is_older

RISING = (
    "0~", "0~1", "0", "0.0~rc1", "0.0", "0.1", "1.0~~", "1.0~~a", "1.0~", "1.0~rc1-1", "1.0",
    "1.0-0", "1.0-0.1", "1.0-1~bpo12+1", "1.0-1~deb12u1", "1.0-1", "1.0-1+b1", "1.0-1+b2",
    "1.0-1+deb12u1", "1.0-1+deb12u9", "1.0-1+deb12u10", "1.0-1.1", "1.0-2", "1.0a", "1.0a2",
    "1.0a10", "1.0b", "1.0+dfsg-1", "1.0.1", "1.2", "1.10", "1.10-1-1", "20250419~deb12u2",
    "20250419", "1:0.1", "1:1.0-1", "2:0",
)  # fmt: skip


def test_versions_in_their_order() -> None:
    for older, newer in pairwise(RISING):
        if not (is_older(older, newer) or {older, newer} == {"1.0", "1.0-0"}):
            pytest.fail(f"{older} < {newer}")
        assert not is_older(newer, older)
    assert not is_older("1.0", "1.0-0")
    assert not is_older("1.0-1", "0:1.0-1")
    assert not is_older("01.0-1", "1.0-01")


@pytest.mark.parametrize("text", ["", ":1", "a:1", "-1", "1:", "²:1"])
def test_what_is_no_version(text: str) -> None:
    with pytest.raises(ValueError, match="no version of Debian"):
        is_older(text, "1.0")


_WORD = st.text("0123456789abZ.+~", min_size=1, max_size=8).map(lambda text: f"1{text}")
_VERSION = st.builds(
    lambda epoch, upstream, revision: f"{epoch}{upstream}{revision}",
    st.sampled_from(["", "0:", "1:"]),
    _WORD,
    st.one_of(st.just(""), st.text("019ab.+~", min_size=1, max_size=5).map(lambda text: f"-{text}")),
)


@settings(max_examples=150, deadline=None)
@given(_VERSION, _VERSION)
def test_as_dpkg_compares(one: str, other: str) -> None:
    done = subprocess.run(("dpkg", "--compare-versions", one, "lt", other), check=False, capture_output=True)
    assert is_older(one, other) == (done.returncode == 0), done.stderr
