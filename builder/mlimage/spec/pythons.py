"""The base for the python that somebody asks for: a Debian suite that has it, else an image of python's."""

import re
from dataclasses import dataclass
from typing import Final

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from mlimage.spec.imported import Note
from mlimage.spec.suites import OLDEST_PYTHON, PYTHON_OF_SUITE, PYTHONS_OF_IMAGES

_PATCHES: Final = range(60)


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseChoice:
    """A python, and the base that has it: the `suite`, or where that is None the image `python:X.Y-slim`."""

    python: str
    suite: str | None

    @property
    def image(self) -> str:
        """The image that has it when no suite does."""
        return f"python:{self.python}-slim"

    @property
    def base(self) -> str:
        """What `base:` says, in one line."""
        return f"{{debian: {self.suite}}}" if self.suite else f"{{image: {self.image}}}"


KNOWN_PYTHONS: Final = (
    *(BaseChoice(python=python, suite=suite) for suite, python in PYTHON_OF_SUITE.items()),
    *(BaseChoice(python=python, suite=None) for python in PYTHONS_OF_IMAGES),
)
"""Every python that a base is known for."""


def base_for(python: str) -> tuple[BaseChoice, tuple[Note, ...]]:
    """The oldest suite whose python is asked for, else an image of python's own, else the oldest suite.

    Args:
        python: a version specifier, empty for any.

    Returns:
        The choice, and what the user should know of it.
    """
    suite, version = next(iter(PYTHON_OF_SUITE.items()))
    oldest = BaseChoice(python=version, suite=suite)
    try:
        wanted = SpecifierSet(python)
    except InvalidSpecifier:
        return oldest, (Note(text=f"python {python}", reason=f"not understood; python {version} was taken"),)
    for suite, version in PYTHON_OF_SUITE.items():
        if _has(wanted, version):
            return BaseChoice(python=version, suite=suite), _patch(python, version, f"Debian {suite}")
    for version in PYTHONS_OF_IMAGES:
        if _has(wanted, version):
            choice = BaseChoice(python=version, suite=None)
            reason = f"no Debian suite has it; the base is the image `{choice.image}`"
            return choice, (Note(text=f"python {python}", reason=reason),)
    known = ", ".join(f"{version} ({suite})" for suite, version in PYTHON_OF_SUITE.items())
    reason = (
        f"no base has it; python {oldest.python} was taken; known: {known}, "
        f"and {', '.join(PYTHONS_OF_IMAGES)} (`base: {{image: python:X.Y-slim}}`); "
        f"packages cannot be locked for one before {OLDEST_PYTHON}"
    )
    return oldest, (Note(text=f"python {python}", reason=reason),)


def _has(wanted: SpecifierSet, version: str) -> bool:
    # Somebody who asks for 3.11.4 is served with the 3.11 of the suite.
    return any(wanted.contains(f"{version}.{patch}") for patch in _PATCHES)


def _patch(python: str, version: str, base: str) -> tuple[Note, ...]:
    """A patch release that is asked for is the base's own, whichever that is."""
    if re.fullmatch(rf"===?{re.escape(version)}\.[0-9]+(\.\*)?", python):
        return (
            Note(text=f"python {python}", reason=f"python {version} of {base}, whose patch release counts"),
        )
    return ()
