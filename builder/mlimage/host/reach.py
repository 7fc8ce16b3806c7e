"""How a server is asked by this process, wherever it runs."""

import http.client
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from mlimage.host.request import LOOPBACK
from mlimage.runtime.roles import PREDICT

_ANYWHERE: Final = {"0.0.0.0": LOOPBACK, "::": "::1"}  # noqa: S104 - compared, not bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server that runs.

    Attributes:
        url: what its addresses begin with; in the sandbox that of its own network.
        connect: a new connection to it, with so many seconds for each operation; raises `OSError`.
        predict: path that predictions are asked at.
    """

    url: str
    connect: Callable[[float], socket.socket]
    predict: str = PREDICT

    def open(self, seconds: float) -> http.client.HTTPConnection:
        """A connection that a request can be sent over, with so many seconds for each operation.

        Raises:
            OSError: there is none.
        """
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc)
        connected = self.connect(seconds)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sock = connected
        return connection


def dial(address: str, port: int, seconds: float) -> socket.socket:
    """A connection to an address of this machine; raises `OSError`."""
    return socket.create_connection((reachable(address), port), timeout=seconds)


def reachable(address: str) -> str:
    """Where what listens at an address can be asked: what listens everywhere, at the loopback."""
    return _ANYWHERE.get(address, address)
