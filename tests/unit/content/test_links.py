"""Where a link of an image leads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlimage.content.links import follow, is_mounted

LINKS = {
    "lib": "usr/lib",
    "app/models": "/models",
    "app/deep/up": "../models/x",
    "usr/lib/away": "/../../etc/./",
    "loop": "loop",
}


@pytest.mark.parametrize(
    ("path", "end"),
    [
        ("lib/x", "usr/lib/x"),
        ("app/models/best", "models/best"),
        ("app/deep/up", "models/x"),
        ("lib/away/passwd", "etc/passwd"),
        ("app//models/./../data", "data"),
        ("../../x", "x"),
        ("", ""),
    ],
)
def test_follow(path: str, end: str) -> None:
    assert follow(path, LINKS.get) == end


def test_a_circle_ends() -> None:
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        follow("loop/x", LINKS.get)


PARTS = st.sampled_from(["a", "b", "..", ".", ""])
WAYS = st.lists(PARTS, max_size=4).map("/".join)


@given(st.dictionaries(st.sampled_from(["a", "b", "a/b", "b/a"]), WAYS.map(lambda way: f"/{way}")), WAYS)
def test_what_is_left_has_no_link(links: dict[str, str], path: str) -> None:
    try:
        end = follow(path, links.get)
    except OSError:
        return
    parts = end.split("/")
    assert not {"/".join(parts[:count]) for count in range(1, len(parts) + 1)} & links.keys()
    assert not {"..", "."} & set(parts)


def test_what_a_container_has_whatever_its_image() -> None:
    mounted = [
        "models",
        "models/x",
        "data",
        "data/events",
        "data/events/x",
        "tmp",
        "dev/shm",
        "proc/1",
        "sys",
    ]
    assert [path for path in mounted if not is_mounted(path, ["events"])] == []
    image = ["", "app", "data/other", "tmp/x", "modelsx", "usr", "device"]
    assert [path for path in image if is_mounted(path, ["events"])] == []
