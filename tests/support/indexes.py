"""Where wheels of other indexes than the default one are, when only pip's configuration knows.

mlimage itself reads no `find-links` of pip's (see `mlimage.pipconfig`): it must be told, as tests do here.
"""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from mlimage.mirrors import DEFAULT_INDEX, load_mirrors, variable
from support.machine import ROOT


@cache
def mirrors_of_wheels(image: str) -> Mapping[str, str]:
    """By variable, the folder of pip's `find-links` that has what the image's locks take from an index.

    Nothing of an index for which this machine has a mirror.
    """
    mirrors = load_mirrors(os.environ)
    found: dict[str, str] = {}
    for index, files in sorted(_files(image).items()):
        if variable(index) in os.environ or index in mirrors.configured:
            continue
        folder = next((each for each in _find_links() if all((each / name).exists() for name in files)), None)
        if folder:
            found[variable(index)] = str(folder)
    return found


def _files(image: str) -> dict[str, set[str]]:
    """The files that the image's committed locks name, by index, but for those of the default one."""
    found: dict[str, set[str]] = {}
    for lock in (ROOT / "lockfiles" / image).glob("*.toml"):
        for package in tomllib.loads(lock.read_text()).get("package", ()):
            if package.get("index", DEFAULT_INDEX) != DEFAULT_INDEX:
                found.setdefault(package["index"], set()).add(package["file"])
    return found


@cache
def _find_links() -> tuple[Path, ...]:
    done = subprocess.run(
        (sys.executable, "-m", "pip", "config", "list"), capture_output=True, text=True, check=True
    )
    values = re.findall(r"^\S+\.find-links='(.*)'$", done.stdout, re.MULTILINE)
    words = " ".join(values).replace("\\n", " ").split()
    return tuple(path for word in words if (path := Path(word.removeprefix("file://"))).is_dir())
