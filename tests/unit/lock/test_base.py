"""Which assembled base a lock gets, and when apt is asked."""

from dataclasses import replace
from pathlib import Path

import pytest

from mlimage.cache import Cache
from mlimage.content.interpreter import Interpreter, Target
from mlimage.errors import UsageError
from mlimage.lock.base import assembled, requested
from mlimage.lock.model import AssembledBase, Wanted
from mlimage.lock.shared import Shared
from mlimage.lock.sources import Sources
from mlimage.platforms import LINUX_AMD64
from mlimage.process import Command, Completed, Runner, run
from mlimage.progress import SILENT
from mlimage.spec.model import ImageSpec
from support import locks

SPEC = ImageSpec.model_validate(
    {"name": "x", "python": "3.11", "base": {"debian": "bookworm"}, "train": {"command": ("python", "t.py")}},
    strict=False,
)
WANTED = locks.lock().wanted
BASE = replace(locks.base(), packages=requested(WANTED))


class Machine:
    """One without apt, on which images are locked."""

    def __init__(self, cache: Path) -> None:
        environ = {"MLIMAGE_MIRROR_DEBIAN": "http://mirror.example.com/debian"}
        self.sources = Sources(
            *(SPEC, "cpu"),
            cache=Cache(cache),
            environ=environ,
            progress=SILENT,
            shared=Shared(environ=environ, progress=SILENT),
        )
        self.asked = 0

    def run(self, command: Command) -> Completed:
        self.asked += 1
        raise FileNotFoundError(command.argv[0])

    def base(self, wanted: Wanted, previous: AssembledBase | None = None) -> AssembledBase:
        return assembled(wanted, previous=previous, places=dict, sources=self.sources, run=self.run)


def test_the_base_of_the_lock_before_stays(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.sources.shared.bases.append(replace(BASE, debs=()))
    assert machine.base(WANTED, BASE) == BASE
    assert machine.asked == 0


def test_apt_is_asked_once_for_all_images(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.sources.shared.bases.append(BASE)
    assert machine.base(WANTED) == BASE
    assert machine.base(WANTED, replace(BASE, python="3.13")) == BASE
    assert machine.asked == 0
    with pytest.raises(UsageError, match="this machine has no"):
        machine.base(replace(WANTED, packages=("libsndfile1",)))


def test_a_python_is_asked_once_what_it_is(tmp_path: Path) -> None:
    asked: list[Path] = []

    class Python(Interpreter):
        def describe(self, run: Runner) -> Target:
            asked.append(self.root)
            return Target(markers={}, tags=(), version="3.11.2", glibc="2.36")

    shared = Shared(environ={}, progress=SILENT)
    one, other = (Python(root=tmp_path / name, python="3.11", platform=LINUX_AMD64) for name in "ab")
    for python in (one, one, other, one):
        assert shared.target(python, run).version == "3.11.2"
    assert asked == [one.root, other.root]
