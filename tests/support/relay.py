"""A wire to a server on loopback: counts what goes over it, and stops, or breaks, at a given moment."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Final

_PIECE: Final = 1 << 14


@dataclass(kw_only=True)
class Relay:
    """The wire; nothing passes any more from its moment on, until it is released.

    Attributes:
        sent_most: the moment when so many bytes went to the server.
        got_most: the moment when so many came from it.
        before: the moment when this is about to go to the server.
        breaks: connections break at the moment, once, and later ones pass.
        stopped: whether that moment came.
        sent: bytes that went to the server.
        got: bytes that came from it.
        port: where its near end is.
    """

    sent_most: int | None = None
    got_most: int | None = None
    before: bytes | None = None
    breaks: bool = False
    stopped: threading.Event = field(default_factory=threading.Event)
    sent: int = 0
    got: int = 0
    port: int = 0
    _open: set[socket.socket] = field(default_factory=set)
    _released: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def host(self) -> str:
        """As references name it."""
        return f"127.0.0.1:{self.port}"

    def release(self) -> None:
        """Break what is open, and let all that comes later pass."""
        with self._lock:
            self.sent_most = self.got_most = self.before = None
            for each in self._open:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
        self._released.set()

    def carry(self, near: socket.socket, far: socket.socket) -> None:
        """Pass on all that comes, both ways."""
        with self._lock:
            self._open |= {near, far}
        back = threading.Thread(target=_pass, args=(far, near, self._may_come), daemon=True)
        back.start()
        _pass(near, far, self._may_go)
        back.join()
        with self._lock:
            self._open -= {near, far}

    def _may_go(self, piece: bytes) -> bool:
        with self._lock:
            now = self.sent_most is not None and self.sent + len(piece) > self.sent_most
            now = now or (self.before is not None and self.before in piece)
            self.sent += 0 if now else len(piece)
        return not now or self._stop()

    def _may_come(self, piece: bytes) -> bool:
        with self._lock:
            now = self.got_most is not None and self.got + len(piece) > self.got_most
            self.got += 0 if now else len(piece)
        return not now or self._stop()

    def _stop(self) -> bool:
        self.stopped.set()
        if self.breaks:
            self.release()
        self._released.wait(60)
        return False


@contextmanager
def relay(to: int, **moment: object) -> Iterator[Relay]:
    """A wire to a port of the loopback, while the block runs; `moment` as the fields of `Relay`."""
    made = Relay(**moment)  # type: ignore[arg-type] # which fields, callers see there

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(("127.0.0.1", to)) as far:
                made.carry(self.request, far)

    class Listener(ThreadingTCPServer):
        daemon_threads = True

    with Listener(("127.0.0.1", 0), Handler) as listener:
        made.port = listener.server_address[1]
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield made
        finally:
            made.release()
            listener.shutdown()
            thread.join()


def _pass(one: socket.socket, other: socket.socket, may: Callable[[bytes], bool]) -> None:
    with suppress(OSError):
        while (piece := one.recv(_PIECE)) and may(piece):
            other.sendall(piece)
    for each in (one, other):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
