"""What mlimage knows of Debian's suites: the python that each has."""

from typing import Final

PYTHON_OF_SUITE: Final = {
    "bookworm": "3.11",
    "trixie": "3.13",
}
"""Suite to the version of its `python3` package, oldest suite first."""


def suite_of(python: str) -> str | None:
    """The suite whose python this is; None when no suite has it."""
    return next((suite for suite, version in PYTHON_OF_SUITE.items() if version == python), None)
