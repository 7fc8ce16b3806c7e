"""The user's terminal, lent to a program in a container."""

import os
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def raw_terminal() -> Iterator[None]:
    """Hand every key to the container, Ctrl-C too; the terminal is as before when the block ends."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def terminal_size() -> tuple[int, int]:
    """(rows, columns) of the user's terminal."""
    size = os.get_terminal_size(sys.stdin.fileno())
    return size.lines, size.columns


def is_terminal() -> bool:
    """Whether standard input and output both are a terminal."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))
