"""The runtime as process 1 of a container that nobody gave an init."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlimage import resources

pytestmark = pytest.mark.namespaces

ROLES = b'{"data":[],"determinism":{"profile":"fast","seed":0},"env":{},"serve":null,"train":null}'
SLEEP = "import time; print('ready', flush=True); time.sleep(60)"
HANDLE = """\
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print('ready', flush=True)
time.sleep(60)
"""
ORPHAN = """\
import os, sys, time
if os.fork() == 0:
    if os.fork() == 0:
        time.sleep(0.2)
    os._exit(3)
os.wait()
time.sleep(0.6)
states = [open(f'/proc/{pid}/stat').read().split()[2] for pid in os.listdir('/proc') if pid.isdigit()]
sys.exit(states.count('Z'))
"""


def _start(folder: Path, program: str) -> "subprocess.Popen[str]":
    roles = folder / "roles.json"
    roles.write_bytes(ROLES)
    main = (
        f"import sys; sys.path.insert(0, {str(resources.runtime().parent.parent)!r}); "
        f"from mlimage.runtime.start import main; main(sys.argv[1:], {str(roles)!r})"
    )
    namespace = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc")
    return subprocess.Popen(
        [*namespace, sys.executable, "-c", main, "--", sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        text=True,
    )


def _process_one(process: "subprocess.Popen[str]") -> int:
    """Its number on this side."""
    return int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text())


@pytest.mark.parametrize(
    ("program", "number", "status"),
    [(SLEEP, signal.SIGTERM, 143), (SLEEP, signal.SIGINT, 130), (HANDLE, signal.SIGTERM, 7)],
)
def test_signals_reach_the_command(tmp_path: Path, program: str, number: int, status: int) -> None:
    with _start(tmp_path, program) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        started = time.monotonic()
        os.kill(_process_one(process), number)
        assert process.wait(timeout=20) == status
        assert time.monotonic() - started < 10, "it was waited for, and killed"


def test_orphans_do_not_stay_as_zombies(tmp_path: Path) -> None:
    with _start(tmp_path, ORPHAN) as process:
        assert process.wait(timeout=20) == 0
