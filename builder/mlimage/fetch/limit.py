"""Ends exchanges that take too long, however slowly the other side goes on.

The time limit of a socket begins anew with each byte, so a server that sends one now and then is never late
for it: in a TLS handshake, its headers, before them (`100 Continue` without end), or in a body.
Here one thread watches all exchanges, and shuts the sockets of those that are late.
"""

import math
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from mlimage.fetch.failures import Failure


class Limit:
    """How long one exchange may take; connections that its thread makes in the `with` block are held to it.

    Args:
        seconds: that it may take from the block's beginning, and again from when it is connected; no limit
            until `allow` says some.
        why: what is wrong when it takes longer.
    """

    def __init__(self, seconds: float = math.inf, why: "Failure | None" = None) -> None:
        self.until = math.inf
        self.late = False
        self.why = why
        self._first = seconds, why
        self._lock = threading.Lock()
        self._held = ExitStack()
        self._sockets: list[socket.socket] = []
        self._outer: Limit | None = None

    def __enter__(self) -> Self:
        self._outer, _mine.limit = _current(), self
        self.begin()
        _watchdog.watch(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _mine.limit = self._outer
        _watchdog.forget(self)
        with self._lock:
            self._sockets.clear()
            self._held.close()

    def begin(self) -> None:
        """Let it take from now on what it may take at first."""
        self.allow(*self._first)

    def allow(self, seconds: float, why: "Failure | None" = None) -> None:
        """Let it take so many seconds from now on, unless it is late already."""
        with self._lock:
            if self.late:
                return
            self.until, self.why = time.monotonic() + seconds, why
        _watchdog.look(self)

    def rest(self) -> None:
        """Let it take as long as it likes: nothing is waited for."""
        self.allow(math.inf)

    def hold(self, connected: socket.socket) -> None:
        """Hold a connection to the limit, too."""
        # A descriptor of its own: whoever has the socket may close it, or wrap it into TLS.
        own = socket.socket(fileno=os.dup(connected.fileno()))
        with self._lock:
            self._sockets.append(self._held.enter_context(own))
            if self.late:
                _shut(own)

    def end(self, now: float) -> bool:
        """End it if it is late; whether it was."""
        with self._lock:
            if self.until > now:
                return False
            self.late = True
            for own in self._sockets:
                _shut(own)
            return True


def hold(connected: socket.socket) -> None:
    """Hold a connection to the limit of the exchange that this thread is in, if there is one."""
    limit = _current()
    if limit is not None:
        limit.hold(connected)


@contextmanager
def connecting() -> Iterator[None]:
    """Begin the time of the exchange that this thread is in, if there is one, when the block ends.

    A name may have many addresses of which some do not answer, and each one that is tried has a time limit of
    its own.
    """
    limit = _current()
    if limit is not None:
        limit.rest()
    yield
    if limit is not None:
        limit.begin()


def check() -> None:
    """Raise `TimeoutError` if the exchange that this thread is in is late."""
    limit = _current()
    if limit is not None and limit.late:
        raise TimeoutError


class _Watchdog:
    """The thread, which starts with the first exchange."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._limits: set[Limit] = set()
        self._next = math.inf
        self._thread: threading.Thread | None = None

    def watch(self, limit: Limit) -> None:
        """Watch an exchange, too."""
        with self._changed:
            self._limits.add(limit)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="limits", daemon=True)
                self._thread.start()
        self.look(limit)

    def forget(self, limit: Limit) -> None:
        """It is over."""
        with self._changed:
            self._limits.discard(limit)

    def look(self, limit: Limit) -> None:
        """The limit has changed: wake up if it ends before all others."""
        with self._changed:
            if limit.until < self._next:
                self._changed.notify()

    def _run(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                self._limits -= {limit for limit in self._limits if limit.end(now)}
                self._next = min((limit.until for limit in self._limits), default=math.inf)
                self._changed.wait(None if self._next == math.inf else max(0.0, self._next - now))


def _shut(own: socket.socket) -> None:
    with suppress(OSError):
        own.shutdown(socket.SHUT_RDWR)


def _current() -> Limit | None:
    found: Limit | None = getattr(_mine, "limit", None)
    return found


_mine: Final = threading.local()
_watchdog: Final = _Watchdog()
