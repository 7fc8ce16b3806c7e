"""What mlimage knows of Debian's suites: the python that each has."""

from typing import Final

PYTHON_OF_SUITE: Final = {
    "bookworm": "3.11",
    "trixie": "3.13",
}
"""Suite to the version of its `python3` package, oldest suite first."""

OLDEST_PYTHON: Final = "3.10"
"""The oldest that packages are locked for: pip, which resolves, runs on it and on newer ones."""

PYTHONS_OF_IMAGES: Final = ("3.12", "3.14", "3.10")
"""Pythons of no suite, which `python:X.Y-slim` has, the usual ones first."""


def suite_of(python: str) -> str | None:
    """The suite whose python this is; None when no suite has it."""
    return next((suite for suite, version in PYTHON_OF_SUITE.items() if version == python), None)
