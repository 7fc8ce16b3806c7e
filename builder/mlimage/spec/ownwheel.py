"""How to have a package of which no index has a wheel: build one, into a folder that is an index."""

import shlex
from collections.abc import Sequence
from typing import Final

from mlimage.mirrors import variable

BUILT: Final = "built"
"""Name that hints give to the index of such wheels."""


def own_wheels(wanted: Sequence[str], names: Sequence[str], *, instead: str = "") -> str:
    """What to type and to write, in the words of a hint.

    Args:
        wanted: what pip is to build: requirements, folders, URLs.
        names: the packages that come of it.
        instead: what to say after the edit, where the packages are bound to another index now.
    """
    typed = " ".join(shlex.quote(each) for each in dict.fromkeys(wanted))
    packages = ", ".join(dict.fromkeys(names))
    return (
        f"`pip wheel --no-deps -w wheels {typed}`, write "
        f'`indexes: {{{BUILT}: {{url: "https://wheels.example.com", packages: [{packages}]}}}}`{instead}, '
        f"and set {variable(BUILT)}=wheels where you lock and build"
    )
