"""Who asks for what, by extras and markers."""

import pytest

from mlimage.lock.askers import askers

MARKERS = {"python_version": "3.11", "sys_platform": "linux"}


def metadata(*requires: str) -> bytes:
    return "".join(["Name: x\n", *(f"Requires-Dist: {line}\n" for line in requires)]).encode()


@pytest.mark.parametrize(
    ("requirements", "expected"),
    [
        (["app"], {"app": (), "lib": ("app",), "fast": ()}),
        (["app[speed]"], {"app": (), "lib": ("app",), "fast": ("app",)}),
        (["app", "top"], {"app": ("top",), "lib": ("app",), "fast": ("app",)}),
        (["lib"], {"app": (), "lib": (), "fast": ()}),
        (['app; sys_platform == "win32"', "fast"], {"app": (), "lib": (), "fast": ()}),
    ],
    ids=["no extra", "an extra", "an extra that a package asks for", "neither", "elsewhere"],
)
def test_only_what_counts(requirements: list[str], expected: dict[str, tuple[str, ...]]) -> None:
    found = askers(
        {
            "app": metadata(
                "Lib>=1",
                "lib<9",
                'fast; extra == "Speed"',
                'app[speed]; extra == "all"',
                'gone; python_version < "3"',
                "no requirement at all",
            ),
            "top": metadata("app[all]"),
            "lib": metadata(),
            "fast": metadata(),
        },
        requirements,
        MARKERS,
    )
    assert {name: found[name] for name in expected} == expected


def test_a_circle() -> None:
    assert askers({"a": metadata("b"), "b": metadata("a[x]", "c")}, ["a"], MARKERS) == {
        "a": ("b",),
        "b": ("a",),
    }
