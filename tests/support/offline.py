"""A project that the command line locks, builds and renders offline: all that its lock names is cached."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from mlimage.cache import Cache
from mlimage.lock.base import requested
from mlimage.lock.check import wanted_by
from mlimage.lock.text import write_lock
from mlimage.spec.load import load_spec
from support import locks
from support.locks import CPU
from support.tinyproject import PYTHON, Project

SPEC = f"""\
name: tiny
python: "{PYTHON}"
base: {{debian: bookworm}}
dependencies: [one, two, three]
train:
  command: python train.py
check:
  ignore:  # no python is in the base that could import them
    - {{package: one, reason: a test}}
    - {{package: two, reason: a test}}
    - {{package: three, reason: a test}}
"""


@dataclass(frozen=True, slots=True)
class Offline:
    """The folder of the project, and the cache with the locked files."""

    root: Path
    cache: Cache


def offline_project(place: Path, *, files: dict[str, bytes]) -> Offline:
    """Make it in a folder.

    Args:
        place: the folder.
        files: what the wheel `three` has besides.
    """
    tiny = Project(place / "made")
    tiny.wheel("three", {"three/__init__.py": b"", **files})
    found = Offline(place / "project", Cache(place / "cache"))
    app = found.root / "images" / "tiny" / "app"
    app.mkdir(parents=True)
    (app / "train.py").write_text("print('trained')\n")
    (app.parent / "mlimage.yaml").write_text(SPEC)
    wanted = wanted_by(load_spec(app.parent, shown="images/tiny"), CPU)
    debs = tuple(replace(deb, path=f"pool/{deb.path}") for deb in tiny.base.debs)
    wheels = [
        replace(tiny.packages[name], hashes=(tiny.packages[name].sha256,)) for name in sorted(tiny.packages)
    ]
    lock = replace(
        locks.lock(wheels, image="tiny"),
        base=replace(tiny.base, packages=requested(wanted), debs=debs),
        wanted=wanted,
    )
    write_lock(found.root / "lockfiles" / "tiny", lock)
    for digest in [*(wheel.sha256 for wheel in wheels), *(deb.sha256 for deb in debs)]:
        cached = found.cache.input(digest)
        cached.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(tiny.files[digest], cached)
    return found
