"""One request to a server over HTTP, and what became of it. The only module here that opens connections."""

import http.client
import time
from dataclasses import dataclass
from typing import Final

from mlimage.fetch.limit import Limit
from mlimage.host.request import LOOPBACK, Port

ROUTE: Final = "/invocations"
"""Where servers predict: `MLIMAGE_PREDICT_ROUTE` of every image, and SageMaker's own."""
PATIENCE: Final = 30.0
"""Seconds that an answer may take, all of it."""
LARGEST: Final = 64 << 20
"""Bytes that an answer may have."""
_PIECE: Final = 1 << 16
_SHOWN: Final = 200
_ANYWHERE: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server answered, with status 200.

    Attributes:
        content: all of it.
        content_type: as it says.
        seconds: from the beginning of the connection to the last byte.
    """

    content: bytes
    content_type: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAnswer:
    """There was none.

    Attributes:
        why: in words that follow "the server".
        over: whether it makes no sense to ask on: the server hangs, or is gone.
        lost: whether the connection broke, or there was none: the server may have ended.
    """

    why: str
    over: bool
    lost: bool = False


def exchange(
    port: Port, content: bytes, content_type: str, *, route: str = ROUTE, patience: float = PATIENCE
) -> Answer | NoAnswer:
    """Send a request over a connection of its own.

    Args:
        port: where the server is.
        content: the request's body.
        content_type: of the request.
        route: path on the server.
        patience: seconds after which it counts as hanging, however slowly it goes on answering.
    """
    host = LOOPBACK if port.address in _ANYWHERE else port.address
    connection = http.client.HTTPConnection(host, port.number, timeout=patience)
    started = time.perf_counter()
    limit = Limit(patience)
    try:
        with limit:
            connection.connect()
            limit.hold(connection.sock)
            connection.request("POST", route, content, {"Content-Type": content_type, "Connection": "close"})
            response = connection.getresponse()
            body = _body(response)
            seconds = time.perf_counter() - started
    except (OSError, http.client.HTTPException) as error:
        if limit.late or isinstance(error, TimeoutError):
            return NoAnswer(why=f"does not answer within {patience:g} s", over=True)
        if isinstance(error, ConnectionRefusedError):
            return NoAnswer(why="no longer listens", over=True, lost=True)
        return NoAnswer(why=f"breaks the connection ({_reason(error)})", over=False, lost=True)
    finally:
        connection.close()
    if limit.late:
        return NoAnswer(why=f"does not answer within {patience:g} s", over=True)
    if body is None:
        return NoAnswer(why=f"answers with more than {LARGEST >> 20} MiB", over=False)
    if response.status != http.client.OK:
        detail = " ".join(body[:_SHOWN].decode(errors="replace").split())
        return NoAnswer(why=f"answers {response.status}" + (f": {detail}" if detail else ""), over=False)
    return Answer(content=body, content_type=response.headers.get("Content-Type", ""), seconds=seconds)


def _body(response: http.client.HTTPResponse) -> bytes | None:
    """All of it; None where it is too large."""
    pieces, size = [], 0
    while piece := response.read(_PIECE):
        pieces.append(piece)
        size += len(piece)
        if size > LARGEST:
            return None
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)
    return b"".join(pieces)


def _reason(error: Exception) -> str:
    if isinstance(error, http.client.IncompleteRead):
        return f"{error.expected} bytes are missing"
    return (str(error) or type(error).__name__).lower()
