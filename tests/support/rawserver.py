"""A server on loopback that says, byte by byte, whatever a test likes."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

PAUSE: Final = 0.02
"""Seconds from one byte to the next of what drips."""


@dataclass
class Talk:
    """One connection to it."""

    connection: socket.socket
    ended: threading.Event

    def heard(self) -> bytes:
        """A request without a body."""
        found = b""
        while not found.endswith(b"\r\n\r\n") and (piece := self.connection.recv(4096)):
            found += piece
        return found

    def say(self, *pieces: bytes) -> None:
        """Say it at once."""
        self.connection.sendall(b"".join(pieces))

    def drip(self, text: bytes = b"x", *, pause: float = PAUSE) -> None:
        """Say it again and again, piece by piece, until the other side has enough."""
        while not self.ended.wait(pause):
            self.say(text)


@dataclass
class RawServer:
    """Where it is, and how often somebody connected."""

    port: int
    connections: list[socket.socket] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/x"


@contextmanager
def raw_server(behave: Callable[[Talk], None]) -> Iterator[RawServer]:
    """Serve while the block runs; each connection ends when `behave` does."""
    ended = threading.Event()
    threads = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.05)
        server = RawServer(listening.getsockname()[1])

        def talk(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                behave(Talk(connection, ended))

        def serve() -> None:
            while not ended.is_set():
                with suppress(TimeoutError):
                    connection, _ = listening.accept()
                    connection.settimeout(5)
                    server.connections.append(connection)
                    threads.append(threading.Thread(target=talk, args=(connection,), daemon=True))
                    threads[-1].start()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server
        finally:
            ended.set()
            thread.join()
            for connection in server.connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            for each in threads:
                each.join()
