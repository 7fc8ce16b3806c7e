"""Output that is kept to a limit, whoever writes it."""

import os
import subprocess

import pytest

from mlimage.host.output import Head, Tail, kept_by
from support.unfit import watchdog


def test_all_of_an_answer() -> None:
    head = Head(10)
    with kept_by(head) as stream:
        stream.write(b"0123456789")
    assert (bytes(head.content), head.full) == (b"0123456789", False)


def test_a_program_that_writes_without_end_is_told_to_stop() -> None:
    head = Head(1 << 20)
    with watchdog(), kept_by(head) as stream:
        status = subprocess.run(["yes"], stdout=stream.fileno(), check=False).returncode
    assert status == -13  # SIGPIPE
    assert (bytes(head.content), head.full) == (b"", True)


def test_a_writer_of_this_process_is_told_too() -> None:
    head = Head(10)

    def write() -> None:
        with kept_by(head) as stream:
            while True:
                os.write(stream.fileno(), b"0" * (1 << 16))

    with watchdog(), pytest.raises(BrokenPipeError):
        write()
    assert head.full


def test_the_end_of_a_long_output() -> None:
    tail = Tail(5)
    with watchdog(), kept_by(tail) as stream:
        for number in range(200_000):
            stream.write(b"%d\n" % number)
    assert bytes(tail.content) == b"9999\n"
