"""What may come from outside, and that the documents say the same."""

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlimage import bounds
from mlimage.bounds import DEPTH, NAME, PATH, is_bomb, shown, why_not

PARTS = st.lists(st.text(st.characters(exclude_characters="\0/"), min_size=1, max_size=300), max_size=300)


@given(parts=PARTS, repeated=st.integers(1, 200))
@example(parts=["é" * 63], repeated=1)
@example(parts=["\U0001f600" * 63], repeated=1)
@example(parts=["\U0001f600" * 64], repeated=1)
@example(parts=["a"], repeated=DEPTH)
@example(parts=["a"], repeated=DEPTH + 1)
def test_paths(parts: list[str], repeated: int) -> None:
    path = "/".join((parts * repeated)[:5000])
    raw = path.encode(errors="surrogatepass")
    names = [name for name in raw.split(b"/") if name not in {b"", b"."}]
    allowed = len(raw) <= PATH and len(names) <= DEPTH and all(len(name) <= NAME for name in names)
    try:
        path.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return  # no archive gives such text
    assert (why_not(path) is None) is allowed


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("n" * 256, "has a name of 256 bytes; at most 255 are allowed"),
        ("a/" * 300, "lies 300 levels deep; at most 256 are allowed"),
        ("a" * 200 + "/b" * 2000, "has 4200 bytes; at most 4095 are allowed in a path"),
        ("./" * 40 + "a/" * 256, None),
        ("/" + "a/" * 256, None),
        ("\udcff" * 255, None),
    ],
)
def test_why_not(path: str, why: str | None) -> None:
    assert why_not(path) == why


def test_a_bomb_is_large_and_packed_as_nothing_honest_is() -> None:
    assert is_bomb(packed=1 << 20, unpacked=(4 << 30) + 1)
    assert not is_bomb(packed=1 << 20, unpacked=4 << 30)
    assert not is_bomb(packed=1 << 30, unpacked=200 << 30)
    assert (shown("a" * 100), shown("a" * 101)) == ("a" * 100, "a" * 100 + "…")


def test_the_documents_say_the_same() -> None:
    page = (Path(__file__).parents[2] / "docs/supply-chain.md").read_text()
    table = page.partition("## What comes from outside")[2].partition("\n\n**")[0]
    found = re.findall(r"^\| .* \| ([\d,]+)(?: \w+)* \|$", table, re.MULTILINE)
    assert [int(number.replace(",", "")) for number in found] == [
        *(bounds.PATH, bounds.NAME, bounds.DEPTH, bounds.ENTRIES, bounds.TREE),
        *(bounds.UNPACKED >> 30, bounds.RATIO),
    ]
    assert f"more than {bounds.UNSUSPICIOUS >> 30} GiB unpacks to" in table
