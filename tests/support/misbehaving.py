"""A small server that answers, or misbehaves in one way or another."""

import http.server
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from mlimage.host.reach import Server
from support.running import server_at


class Handler(http.server.BaseHTTPRequestHandler):
    """Hands a POST to what the server was made with."""

    behave: Callable[["Handler", bytes], None]
    asked: list[bytes]

    def do_GET(self) -> None:
        self.answer(b"", "text/plain")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append(body)
        type(self).behave(self, body)

    def answer(self, content: bytes, content_type: str = "application/json", status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


def echoes(handler: Handler, body: bytes) -> None:
    handler.answer(body)


def fails(handler: Handler, _: bytes) -> None:
    handler.answer(b"Traceback:\n  no  model", "text/plain", status=500)


def says_html(handler: Handler, body: bytes) -> None:
    handler.answer(body, "text/html")


def hangs(_: Handler, __: bytes) -> None:
    time.sleep(1)


DRIPS_FOR = 20.0
"""Seconds, unless nobody listens any more."""


def drips(handler: Handler, _: bytes) -> None:
    """A byte now and then: no read is ever late."""
    handler.send_response(200)
    handler.end_headers()
    with suppress(OSError):
        for _number in range(round(DRIPS_FOR / 0.05)):
            time.sleep(0.05)
            handler.wfile.write(b" ")


def hangs_up(handler: Handler, _: bytes) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)


def breaks_off(handler: Handler, _: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "10")
    handler.end_headers()
    handler.wfile.write(b"123")


@contextmanager
def serving(behave: Callable[[Handler, bytes], None]) -> Iterator[tuple[Server, list[bytes]]]:
    """The server, and the requests that came."""
    asked: list[bytes] = []
    kind = type("Own", (Handler,), {"behave": staticmethod(behave), "asked": asked})

    class Quiet(http.server.ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, *_: object) -> None:
            """The other side hung up, as it should."""

    with Quiet(("127.0.0.1", 0), kind) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server_at(server.server_port), asked
        finally:
            server.shutdown()
            thread.join()
