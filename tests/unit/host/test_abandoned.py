"""Which containers are taken for those of a run that was killed."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from mlimage.cache import Cache
from mlimage.daemon.connect import Daemon
from mlimage.host.abandoned import CLIENT_LABEL, client_name, remove_abandoned
from support.running import FakeClient, FakeContainer, facts

KILLED = """\
import os, signal, sys
from pathlib import Path
from mlimage.cache import Cache
from mlimage.host.abandoned import client_name
with client_name(Cache(Path(sys.argv[1]))) as name:
    print(name, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


class Left(FakeContainer):
    """A container as a list of them has it."""

    id = "0123456789abcdef"

    def __init__(self, client: str) -> None:
        super().__init__()
        self.client = client

    @property
    def attrs(self) -> dict[str, Any]:
        return {"Labels": {CLIENT_LABEL: self.client}}


def removed(cache: Cache, *names: str) -> tuple[list[str], list[str]]:
    """Whose containers go, and what is said."""
    left, said = [Left(name) for name in names], list[str]()
    remove_abandoned(Daemon(client=FakeClient(left=list(left)), facts=facts()), cache, said.append)
    assert all(each.done in ([], ["kill 9", "remove force=True v=True"]) for each in left)
    return [each.client for each in left if each.done], said


def test_the_dead_and_the_living(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    dead = subprocess.run(
        [sys.executable, "-c", KILLED, str(cache.root)], capture_output=True, text=True, check=False
    ).stdout.strip()
    assert (cache.root / "locks" / dead).exists()
    with client_name(cache) as living:
        assert living
        line = "removed container 0123456789ab, left by a run that was killed"
        assert removed(cache, living, dead, "run-" + "0" * 16) == ([dead], [line])
        assert removed(cache, living, dead) == ([], [])
    assert list((cache.root / "locks").iterdir()) == []


def test_names_of_others(tmp_path: Path) -> None:
    """Labels are anybody's: none leads out of the folder, or to another lock."""
    cache = Cache(tmp_path / "cache")
    (cache.root / "locks").mkdir(parents=True)
    for name in ("use", "run-1", "../outside"):
        (cache.root / "locks" / name).touch()
    outside = tmp_path / ("run-" + "1" * 16)
    outside.touch()
    assert removed(cache, "use", "run-1", "../outside", f"../../{outside.name}", str(outside)) == ([], [])
    assert outside.exists()


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    cache.root.touch()
    with client_name(cache) as name:
        assert name is None
    assert removed(cache, "run-" + "0" * 16) == ([], [])
