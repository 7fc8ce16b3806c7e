"""Signals are raised once, leave alone what cleans up, and end even what does not end by itself."""

import gc
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from mlimage import signals
from mlimage.signals import ENDING, Signalled, deferred, raised


@pytest.fixture(autouse=True)
def _as_a_shell_starts_programs() -> Iterator[None]:
    """Also where these tests run under `nohup`, or in the background."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in ENDING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def send(*numbers: int) -> None:
    for number in numbers:
        os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", ENDING)
def test_it_is_raised_and_known(number: int) -> None:
    with raised(last=False) as taker:
        with pytest.raises(Signalled) as caught:
            send(number)
        assert (caught.value.number, taker.number) == (number, number)


def test_no_handler_of_errors_takes_it() -> None:
    def carefree() -> None:
        try:
            send(signal.SIGTERM)
        except Exception:  # noqa: BLE001 - as somebody might
            pytest.fail("taken for an error")

    with raised(last=False), pytest.raises(KeyboardInterrupt):
        carefree()


def test_what_cleans_up_is_let_be() -> None:
    cleaned = []

    def tidy() -> None:
        try:
            send(signal.SIGINT)
        finally:
            send(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
            cleaned.append("all")

    with raised(last=False) as taker, pytest.raises(Signalled) as caught:
        tidy()
    assert (caught.value.number, taker.number, cleaned) == (signal.SIGINT, signal.SIGINT, ["all"])


def test_what_was_swallowed_is_raised_again() -> None:
    """As by a `__del__`, or a library that catches everything."""
    with raised(last=False):
        for _ in range(2):
            try:
                send(signal.SIGINT)
            except BaseException:  # noqa: BLE001 - as somebody might
                gc.collect()
        with pytest.raises(Signalled):
            send(signal.SIGINT)


def test_deferred() -> None:
    done = []

    def critical() -> None:
        with deferred():
            with deferred():
                send(signal.SIGTERM, signal.SIGINT)
            done.append("inner")
        done.append("outer")

    with raised(last=False) as taker, pytest.raises(Signalled) as caught:
        critical()
    assert (caught.value.number, taker.number, done) == (signal.SIGTERM, signal.SIGTERM, ["inner"])


def test_an_error_of_what_is_deferred_gives_way() -> None:
    def critical() -> None:
        with deferred():
            send(signal.SIGINT)
            raise OSError

    with raised(last=False), pytest.raises(Signalled) as caught:
        critical()
    assert isinstance(caught.value.__context__, OSError)


def test_nothing_is_deferred_where_nothing_is_raised() -> None:
    with deferred():
        done = [1]
    assert done == [1]
    found = []

    def elsewhere() -> None:
        with deferred():
            found.append(threading.current_thread())

    with raised(last=False):
        (thread := threading.Thread(target=elsewhere)).start()
        thread.join()
        with pytest.raises(Signalled):
            send(signal.SIGINT)
    assert found == [thread]


def test_what_is_ignored_stays_so_and_handlers_come_back() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    before = [signal.getsignal(number) for number in ENDING]
    with raised(last=False):
        send(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    assert [signal.getsignal(number) for number in ENDING] == before


def test_handlers_of_a_program_that_has_python_in_it_are_let_be(monkeypatch: pytest.MonkeyPatch) -> None:
    known = signal.getsignal
    with monkeypatch.context() as patched:
        # What Python says of a handler that it has not set, and cannot set back.
        patched.setattr(signal, "getsignal", lambda _number: None)
        with raised(last=False):
            assert known(signal.SIGTERM) is signal.SIG_DFL
    assert known(signal.SIGTERM) is signal.SIG_DFL


PROGRAM = """\
import os, signal, time
from mlimage import signals
{before}
with signals.raised(last=True):
    {block}
os.kill(os.getpid(), signal.SIGINT)
print("its own end", flush=True)
"""


def status_of(block: str, before: str = "") -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(block=block, before=before)],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout


def test_the_end_of_the_process_is_let_be() -> None:
    assert status_of("pass") == (0, "its own end\n")


ENDLESS = """\
with signals.deferred():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)
        print("not reached")
"""


def test_who_is_impatient_for_long_ends_it() -> None:
    assert status_of(ENDLESS, "signals.PATIENCE = 0.01") == (-signal.SIGINT, "")
    assert signals.PATIENCE > 5
