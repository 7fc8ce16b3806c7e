"""Waiting until a server says that it is ready."""

import http.client
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from mlimage.fetch.limit import Limit
from mlimage.host.request import LOOPBACK, Health, Port

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 0.5
ANSWER_TIMEOUT = 5.0
_LONGEST_DETAIL = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The server answered 200 at its health path, after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NotReady:
    """The patience was used up; what the last attempt saw, for people."""

    seconds: float
    last: str


def wait_healthy(
    port: Port, health: Health, stop: threading.Event, *, clock: Callable[[], float] = time.monotonic
) -> Ready | NotReady | None:
    """Ask until the server is ready, the patience is used up, or `stop` is set (which gives None)."""
    started = clock()
    pause = FIRST_PAUSE
    while True:
        last = ask(port, health.path)
        seconds = clock() - started
        if last is None:
            return Ready(seconds=seconds)
        if seconds >= health.patience:
            return NotReady(seconds=seconds, last=last)
        if stop.wait(min(pause, max(0.0, health.patience - seconds))):
            return None
        pause = min(pause * 1.5, LONGEST_PAUSE)


def ask(port: Port, path: str, *, seconds: float = ANSWER_TIMEOUT) -> str | None:
    """Ask once: None when it is ready, else what came instead, in words.

    Args:
        port: where the server is.
        path: its health path.
        seconds: that the answer may take, all of it.
    """
    late = f"no answer within {seconds:g} s"
    host = LOOPBACK if port.address in {"0.0.0.0", "::"} else port.address  # noqa: S104 - compared, not bound
    connection = http.client.HTTPConnection(host, port.number, timeout=seconds)
    limit = Limit(seconds)
    try:
        with limit:
            connection.connect()
            limit.hold(connection.sock)
            connection.request("GET", path, headers={"Connection": "close"})
            response = connection.getresponse()
            body = response.read(4096).decode(errors="replace").strip()
    except ConnectionRefusedError:
        return "nothing listens on the port"
    except (OSError, http.client.HTTPException) as error:
        if limit.late or isinstance(error, TimeoutError):
            return late
        # Docker's proxy accepts and closes at once while nothing listens in the container.
        return f"the connection broke ({str(error) or type(error).__name__})"
    finally:
        connection.close()
    if limit.late:
        return late
    if response.status == http.client.OK:
        return None
    detail = f": {body[:_LONGEST_DETAIL]}" if body else ""
    return f"status {response.status}{detail}"
