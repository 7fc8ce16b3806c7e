"""`.ci/engine down` ends all that `up` started, however that ended; with engines of a copy of it."""

import fcntl
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlimage.digest import Digest
from support.machine import ENGINES, ROOT, engine_named, need_engine
from support.running import small_root
from support.tars import written

pytestmark = [pytest.mark.root, pytest.mark.engine]

STARTED = ("docker-trixie", "podman-trixie", "podman-trixie-rootless")
"""One of each kind."""


def checkout_at(folder: Path) -> Path:
    """What `.ci/engine` needs of a checkout, to start `STARTED` there; their packages are shared."""
    for name in STARTED:
        need_engine(name)
    (folder / ".ci").mkdir(parents=True)
    (folder / ".engine").mkdir()
    (folder / ".engine/packages").symlink_to(ROOT / ".engine/packages")
    text, found = re.subn(
        r"^readonly ENGINES=\([^)]*\)$",
        f"readonly ENGINES=({' '.join(STARTED)})",
        (ROOT / ".ci/engine").read_text(),
        flags=re.MULTILINE,
    )
    assert found == 1
    (folder / ".ci/engine").write_text(text)
    (folder / ".ci/engine").chmod(0o755)
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    made = checkout_at(tmp_path / "checkout")
    with (ROOT / ".engine/testing").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # another worker's `up` would do what this one's `down` shall
        yield made
        engine(made if (made / ".ci").exists() else checkout_at(tmp_path / "another"), "down")


def engine(checkout: Path, verb: str) -> str:
    done = subprocess.run(
        (checkout / ".ci/engine", verb), capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def processes(checkout: Path) -> dict[int, str]:
    """By number, the commands of those that have to do with these engines by what they were started with."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            told = command + (folder / "environ").read_bytes() + os.fsencode((folder / "exe").readlink())
        except OSError:
            continue
        if any(os.fsencode(place) in told for place in (checkout / ".engine", run_folder(checkout))):
            found[int(folder.name)] = command.replace(b"\0", b" ").decode(errors="replace")
    return found


def run_folder(checkout: Path) -> Path:
    return Path(f"/run/mlimage-{Digest.of(os.fsencode(checkout)).hex[:7]}")


def nothing_is_left(checkout: Path) -> None:
    assert processes(checkout) == {}
    assert not run_folder(checkout).exists()
    assert str(checkout) not in Path("/proc/self/mountinfo").read_text()


def docker(checkout: Path, *arguments: str, stdin: bytes = b"") -> str:
    client = ROOT / ".engine/packages/docker-trixie/usr/bin/docker"
    host = f"unix://{run_folder(checkout)}/docker-trixie/docker.sock"
    done = subprocess.run(
        (client, "--host", host, *arguments), input=stdin, stdout=subprocess.PIPE, check=True
    )
    return done.stdout.decode().strip()


def test_down_leaves_nothing(checkout: Path) -> None:
    engine(checkout, "up")
    commands = "\n".join(processes(checkout).values())
    assert all(f"/{name}/" in commands for name in STARTED)
    engine(checkout, "down")
    nothing_is_left(checkout)
    assert all(engine_named.__wrapped__(name) for name in ENGINES)  # others go on; asked anew


def test_what_a_dead_engine_leaves_behind(checkout: Path) -> None:
    engine(checkout, "up")
    docker(checkout, "import", "-", "small", stdin=written(small_root()))
    container = docker(checkout, "run", "--detach", "--network", "none", "small", "sleep", "300")
    sleeper = int(docker(checkout, "inspect", "--format", "{{.State.Pid}}", container))
    os.kill(int((run_folder(checkout) / "docker-trixie/dockerd.pid").read_text()), signal.SIGKILL)
    assert Path(f"/proc/{sleeper}/cmdline").read_bytes() == b"sleep\x00300\x00"
    engine(checkout, "down")
    nothing_is_left(checkout)
    until = time.monotonic() + 5
    while Path(f"/proc/{sleeper}").exists():  # killed, and perhaps not yet buried
        assert time.monotonic() < until
        time.sleep(0.02)


def test_an_up_that_was_killed(checkout: Path) -> None:
    with subprocess.Popen((checkout / ".ci/engine", "up"), stderr=subprocess.DEVNULL) as up:
        until = time.monotonic() + 60
        while not any("-rootless/" in command for command in processes(checkout).values()):
            assert time.monotonic() < until
            time.sleep(0.02)
        up.kill()
    for note in run_folder(checkout).glob("*.pid"):
        note.unlink()  # as if none had been written yet
    assert processes(checkout) != {}
    engine(checkout, "down")
    nothing_is_left(checkout)


def test_a_checkout_that_is_gone(checkout: Path, tmp_path: Path) -> None:
    engine(checkout, "up")
    shutil.rmtree(checkout / ".ci")
    other = checkout_at(tmp_path / "other")
    said = engine(other, "down").splitlines()
    assert f"the engines and the registry of {checkout}, which is gone, are down" in said
    nothing_is_left(checkout)
