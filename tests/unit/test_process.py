"""Processes: what they write, how they end, and that none is left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlimage.process import Command, Completed, Processes, run, stream
from mlimage.progress import StoppedError


def shell(script: str) -> Command:
    return Command(argv=("/bin/sh", "-c", script), env={"PATH": os.environ["PATH"]})


def test_pieces_come_while_it_runs_and_nothing_of_standard_output(tmp_path: Path) -> None:
    pieces: list[bytes] = []
    fifo = tmp_path / "go"
    os.mkfifo(fifo)

    def told(piece: bytes) -> None:
        if not pieces:
            fifo.write_bytes(b"")  # the process waits for this: the piece came before its end
        pieces.append(piece)

    command = shell(f"echo lost; echo one >&2; read line < {fifo}; printf two >&2; exit 3")
    assert stream(command, told) == Completed(command=command, status=3, stdout=b"", stderr=b"")
    assert b"".join(pieces) == b"one\ntwo"


def test_nothing_of_the_environment_and_no_standard_input() -> None:
    pieces: list[bytes] = []
    program = "import os, sys; sys.stderr.write(repr((sys.stdin.read(), sorted(os.environ))))"
    command = Command(argv=(sys.executable, "-I", "-c", program), env={"A": "b", "LC_ALL": "C.UTF-8"})
    assert stream(command, pieces.append).status == 0
    assert b"".join(pieces) == b"('', ['A', 'LC_ALL'])"


def test_a_signal_is_a_negative_status() -> None:
    assert stream(shell("kill -TERM $$"), lambda _: None).status == -signal.SIGTERM


def test_without_the_program() -> None:
    with pytest.raises(FileNotFoundError):
        stream(Command(argv=("/no/such/program",)), lambda _: None)


def _interrupted(script: str, *, grace: float) -> tuple[int, list[bytes]]:
    """Interrupt a process that has said its number, and return that and what else it said."""
    said: list[bytes] = []

    def told(piece: bytes) -> None:
        said.append(piece)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stream(shell(script), told, grace=grace)
    return int(said[0].split()[0]), said


def _is_gone(process: int) -> bool:
    """Whether there is neither the process nor its zombie."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def test_an_interrupted_process_may_end_by_itself(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    script = f"trap 'echo ended > {mark}; exit 0' INT; echo $$ >&2; while :; do sleep 0.02; done"
    process, _ = _interrupted(script, grace=20)
    assert mark.read_text() == "ended\n"
    assert _is_gone(process)


def test_one_that_does_not_is_killed_after_a_while() -> None:
    started = time.monotonic()
    process, _ = _interrupted("trap '' INT; echo $$ >&2; while :; do sleep 0.02; done", grace=0.3)
    assert 0.3 <= time.monotonic() - started < 15
    assert _is_gone(process)


def test_one_that_is_interrupted_twice_is_killed_at_once(again: Callable[[float], None]) -> None:
    started = time.monotonic()
    again(0.3)
    process, _ = _interrupted("trap '' INT; echo $$ >&2; while :; do sleep 0.02; done", grace=60)
    assert time.monotonic() - started < 15
    assert _is_gone(process)


@pytest.fixture
def again() -> Iterator[Callable[[float], None]]:
    """Interrupts the tests themselves, after so many seconds, as a second Ctrl-C does."""

    def interrupt(seconds: float) -> None:
        signal.setitimer(signal.ITIMER_REAL, seconds)

    def ring(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, ring)
    yield interrupt
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_a_signal_that_another_thread_took_is_heard() -> None:
    # As one is that comes just before a blocking call: the kernel gave it away, nothing wakes the call.
    program = (
        "import signal, threading\n"
        "from mlimage.process import Command, stream\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # where this runs without one
        "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])\n"
        "threading.Thread(target=lambda: print('up', flush=True)).start()\n"
        "stream(Command(argv=('/bin/sleep', '600')), lambda _: None, grace=0.1)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline() == b"up\n"
        time.sleep(0.2)  # until it waits
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(30) == -signal.SIGINT
        finally:
            process.kill()
        assert b"KeyboardInterrupt" in process.stderr.read()


def test_what_is_run_is_killed_with_the_caller(again: Callable[[float], None], tmp_path: Path) -> None:
    script = f"trap '' INT TERM; echo $$ > {tmp_path}/number; while :; do sleep 0.02; done"
    again(0.5)
    with pytest.raises(KeyboardInterrupt):
        run(shell(script))
    assert _is_gone(int((tmp_path / "number").read_text()))


def test_what_is_alone_takes_with_it_what_it_started(again: Callable[[float], None], tmp_path: Path) -> None:
    script = f"sleep 600 & echo $! > {tmp_path}/child; cut -d' ' -f6 /proc/$$/stat > {tmp_path}/session; wait"
    again(0.5)
    with pytest.raises(KeyboardInterrupt):
        run(Command(argv=("/bin/sh", "-c", script), inherit=True, alone=True))
    assert int((tmp_path / "session").read_text()) != os.getsid(0)
    until = time.monotonic() + 10  # who buries it is init, which may take its time
    while not _is_gone(child := int((tmp_path / "child").read_text())):
        if Path(f"/proc/{child}/stat").read_text().split()[2] == "Z":
            break
        assert time.monotonic() < until
        time.sleep(0.02)


def test_all_at_once_from_another_thread(tmp_path: Path) -> None:
    processes, found = Processes(), []
    assert processes.run(shell("echo done")).text == "done\n"

    def work(number: int) -> None:
        try:
            found.append(processes.run(shell(f"touch {tmp_path}/{number}; exec sleep 600")).status)
        except StoppedError:  # it had begun, and its thread was about to say so
            found.append(-signal.SIGKILL)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    while len(list(tmp_path.iterdir())) < len(threads):
        time.sleep(0.01)
    processes.end()
    for thread in threads:
        thread.join(20)
    assert found == [-signal.SIGKILL] * len(threads)
    with pytest.raises(StoppedError):
        processes.run(shell(f"touch {tmp_path}/late"))
    assert not (tmp_path / "late").exists()


def test_a_command_is_shown_without_credentials() -> None:
    command = Command(argv=("pip", "--index-url=https://bob:s3 same'@acme.io/simple", "a@b", "x:1@sha256:0"))
    assert str(command) == "pip '--index-url=https://***@acme.io/simple' a@b x:1@sha256:0"
