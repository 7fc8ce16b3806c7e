"""The base that has the python somebody asks for."""

import pytest

from mlimage.spec.pythons import base_for

_NONE = (
    "no base has it; python 3.11 was taken; known: 3.11 (bookworm), 3.13 (trixie), and 3.12, 3.14, 3.10 "
    "(`base: {image: python:X.Y-slim}`); packages cannot be locked for one before 3.10"
)


@pytest.mark.parametrize(
    ("python", "version", "base", "notes"),
    [
        ("", "3.11", "bookworm", []),
        (">=3.9", "3.11", "bookworm", []),
        (">=3.12,<4", "3.13", "trixie", []),
        ("==3.11.*", "3.11", "bookworm", []),
        ("==3.*", "3.11", "bookworm", []),
        (
            "==3.11.9",
            "3.11",
            "bookworm",
            ["python ==3.11.9: python 3.11 of Debian bookworm, whose patch release counts"],
        ),
        (
            "==3.12.*",
            "3.12",
            "python:3.12-slim",
            ["python ==3.12.*: no Debian suite has it; the base is the image `python:3.12-slim`"],
        ),
        (
            ">=3.8,<3.11",
            "3.10",
            "python:3.10-slim",
            ["python >=3.8,<3.11: no Debian suite has it; the base is the image `python:3.10-slim`"],
        ),
        ("==3.7.*", "3.11", "bookworm", [f"python ==3.7.*: {_NONE}"]),
        ("==2.7.18", "3.11", "bookworm", [f"python ==2.7.18: {_NONE}"]),
        ("three", "3.11", "bookworm", ["python three: not understood; python 3.11 was taken"]),
    ],
)
def test_base(python: str, version: str, base: str, notes: list[str]) -> None:
    choice, told = base_for(python)
    assert (choice.python, choice.suite or choice.image, [str(note) for note in told]) == (
        version,
        base,
        notes,
    )
