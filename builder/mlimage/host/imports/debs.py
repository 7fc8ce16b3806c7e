"""Which Debian package has a shared library. Pure; for hints.

Debian's policy names the package after the library (section 8.1): `libGL.so.1` is in `libgl1`,
`libxcb-icccm.so.4` in `libxcb-icccm4`, `libgtk-3.so.0` in `libgtk-3-0`. What is named otherwise is in
`debs.toml`.
"""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

_FILE: Final = Path(__file__).with_suffix(".toml")
_SONAME: Final = re.compile(r"(lib.+?)\.so(?:\.(.+))?\Z")
_ELSEWHERE: Final = re.compile(r"\A(lib(?:(?!\.so).)+)-(\d+)\Z")


def package_of(library: str, suite: str) -> str:
    """The package of a library in a suite, empty where nothing is known.

    Args:
        library: its SONAME; or, as programs look for one at run time, a name without version
            (`libsndfile.so`, `libmagic`), of which only what the table has is known. Names as other systems
            have them, `libpango-1.0-0`, are taken for `libpango-1.0.so.0`.
        suite: as in `os-release`: `bookworm`.
    """
    rows = table(suite)
    library = _ELSEWHERE.sub(r"\1.so.\2", library)
    soname = _SONAME.match(library)
    if library in rows:
        return rows[library]
    if soname and (soname[2] or soname[1][-1].isdigit()):
        return by_policy(library)
    stem = soname[1] if soname else library
    return next((name for row, name in rows.items() if stem == row.partition(".so")[0]), "")


def is_known(stem: str) -> bool:
    """Whether the table has a library of this name, `libmagic`, in any suite."""
    tables = tomllib.loads(_FILE.read_text("utf-8"))
    return any(row.partition(".so")[0] == stem for rows in tables.values() for row in rows)


def by_policy(soname: str) -> str:
    """What Debian's policy calls the package: a digit at the end of the name is kept from the version."""
    name, _, version = soname.partition(".so")
    version = version.removeprefix(".")
    dash = "-" if version and name[-1].isdigit() else ""
    return f"{name}{dash}{version}".replace("_", "-").lower()


@cache
def table(suite: str) -> Mapping[str, str]:
    """The exceptions of a suite, by SONAME."""
    tables = tomllib.loads(_FILE.read_text("utf-8"))
    return {**tables["any"], **tables.get(suite, {})}
