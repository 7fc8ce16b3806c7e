"""A forward proxy on loopback, as companies have them: it relays requests, and tunnels for TLS."""

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass(kw_only=True)
class Proxy:
    """What it was asked for, and what it makes of that.

    Attributes:
        needs: the `Proxy-Authorization` header without which it answers 407.
        refuses: the status with which it refuses everybody.
        leads: where tunnels to a host end: at this port of the loopback, whatever is asked for.
        seen: method and target of each request, in order.
        url: where it is, for `HTTPS_PROXY`.
    """

    needs: str | None = None
    refuses: int | None = None
    leads: Mapping[str, int] = field(default_factory=dict)
    seen: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""


@contextmanager
def forward_proxy(**settings: Any) -> Iterator[Proxy]:
    """Serve while the block runs; `settings` as the fields of `Proxy`."""
    proxy = Proxy(**settings)
    with _Listener(proxy) as listener:
        proxy.url = f"http://127.0.0.1:{listener.server_port}"
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield proxy
        finally:
            listener.shutdown()
            thread.join()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Listener

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        if not self._passes():
            return
        target = urlsplit(self.path)
        connection = HTTPConnection(target.hostname or "", target.port or 80)
        headers = {key: value for key, value in self.headers.items() if not key.startswith("Proxy-")}
        connection.request("GET", target.path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        for key, value in answer.getheaders():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)
        connection.close()

    def do_CONNECT(self) -> None:
        if not self._passes():
            return
        host, _, port = self.path.rpartition(":")
        leads = self.server.proxy.leads
        place = ("127.0.0.1", leads[host]) if host in leads else (host, int(port))
        with socket.create_connection(place) as upstream:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_relay, args=(upstream, self.connection), daemon=True)
            back.start()
            _relay(self.connection, upstream)
            back.join()
        self.close_connection = True

    def _passes(self) -> bool:
        proxy = self.server.proxy
        proxy.seen.append((self.command, self.path))
        status = proxy.refuses
        if proxy.needs is not None and self.headers.get("Proxy-Authorization") != proxy.needs:
            status = 407
        if status is not None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
        return status is None


def _relay(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
    with suppress(OSError):
        other.shutdown(socket.SHUT_WR)
