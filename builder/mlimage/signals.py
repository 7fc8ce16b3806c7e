"""Signals that end a run: Ctrl-C, SIGTERM, a closed terminal. The first is raised, and its clean-up let be.

They are raised in the main thread, wherever it is, so nobody has to ask for them: every `finally` sees one
pass, no `except Exception` takes it for a failure, and the run ends with its status.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, NoReturn
from weakref import ref

ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE: Final = 10.0
"""Seconds for which what cleans up is let be; a signal that comes later ends the process as it is."""


class Signalled(KeyboardInterrupt):
    """A signal ended the run. As with `KeyboardInterrupt`, only what cleans up sees it pass."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class Taker:
    """What has come so far.

    Attributes:
        number: the signal that was raised last; None before the first.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._raised: ref[Signalled] | None = None
        self._held = 0
        self._waiting: int | None = None
        self._since = 0.0

    def take(self, number: int, _frame: FrameType | None = None) -> None:
        """The handler: raises, unless that would tear what cleans up."""
        if self._waiting is not None or self._passes():
            if time.monotonic() - self._since > PATIENCE:
                signal.signal(number, signal.SIG_DFL)
                os.kill(os.getpid(), number)
        elif self._held:
            self._waiting, self._since = number, time.monotonic()
        else:
            self._raise(number)

    def hold(self) -> None:
        """Raise nothing from now on."""
        self._held += 1

    def let_go(self) -> None:
        """The end of what `hold` began: raises what came meanwhile."""
        self._held -= 1
        if not self._held and self._waiting is not None:
            self._raise(self._waiting)

    def _raise(self, number: int) -> NoReturn:
        self.number, self._waiting, self._since = number, None, time.monotonic()
        error = Signalled(number)
        # Nobody here keeps it: once somebody has caught and forgotten it, the next signal is raised again.
        self._raised = ref(error)
        try:
            raise error
        finally:
            del error  # which its traceback would keep, for it knows this frame

    def _passes(self) -> bool:
        return self._raised is not None and self._raised() is not None


_takers: Final[list[Taker]] = []
"""Of the run, if there is one: signals are the process's own, and so is what is kept of them."""


@contextmanager
def raised(*, last: bool) -> Iterator[Taker]:
    """Raise signals as `Signalled` while the block runs, in the main thread.

    One that is ignored stays so, and one that is not Python's own to handle, as in R, keeps its handler.

    Args:
        last: whether the process ends with the block. Its status stands then, and signals change it no more.
    """
    taker = Taker()
    numbers = [number for number in ENDING if signal.getsignal(number) not in (signal.SIG_IGN, None)]
    _takers.append(taker)
    before = {number: signal.signal(number, taker.take) for number in numbers}
    try:
        yield taker
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if last else handler)
        _takers.remove(taker)


@contextmanager
def deferred() -> Iterator[None]:
    """Signals that come while the block runs are raised at its end: for short work that must not be torn."""
    if not _takers or threading.current_thread() is not threading.main_thread():
        yield
        return
    taker = _takers[-1]
    taker.hold()
    try:
        yield
    finally:
        taker.let_go()
