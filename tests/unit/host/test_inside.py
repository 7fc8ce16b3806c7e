"""The first process of a sandbox, as far as that needs no sandbox."""

import os
import subprocess
import sys

_SIGNALS_RIGHT_AFTER_THE_START = """
import os, signal
from types import SimpleNamespace
from mlimage.host.inside import init
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
settings = SimpleNamespace(
    foreground=False, data_limit=None, uid=os.getuid(), gid=os.getgid(), mapped=True, directory="/",
    command=["/bin/sleep", "5"], env={},
)
init.system.become = lambda uid, gid, mapped: None
ended = []
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) * 5:
    child = init._start(settings, 1)
    os.kill(child, number)
    ended.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -number)
print(ended.count(False), signal.pthread_sigmask(signal.SIG_BLOCK, ()))
"""


def _run(program: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        (sys.executable, "-c", program),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def test_a_signal_right_after_the_start_is_not_lost() -> None:
    done = _run(_SIGNALS_RIGHT_AFTER_THE_START)
    assert (done.stdout, done.stderr) == ("0 set()\n", "")


_STOPPED_BY_THE_TERMINAL = """
import os, signal, time
from mlimage.host.inside import init
child = os.fork()
if not child:
    time.sleep(5)
    os._exit(0)
os.kill(child, signal.SIGTSTP)
time.sleep(0.2)
print(init._reap(child))
time.sleep(0.2)
with open(f"/proc/{child}/stat") as stat:
    print(stat.read().split()[2])
os.kill(child, signal.SIGTERM)
time.sleep(0.2)
print(init._reap(child))
"""


def test_a_program_that_ctrl_z_stops_goes_on() -> None:
    done = _run(_STOPPED_BY_THE_TERMINAL)
    assert (done.stdout.split(), done.stderr) == (["None", "S", "143"], "")
