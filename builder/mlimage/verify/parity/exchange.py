"""One request to a server over HTTP, and what became of it. The only module here that opens connections."""

import http.client
import time
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from mlimage.fetch.limit import Limit
from mlimage.host.reach import Server

PATIENCE: Final = 30.0
"""Seconds that an answer may take, all of it."""
LARGEST: Final = 64 << 20
"""Bytes that an answer may have."""
_PIECE: Final = 1 << 16
_SHOWN: Final = 200
_NO_ROUTE: Final = frozenset({http.client.NOT_FOUND, http.client.METHOD_NOT_ALLOWED})


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
        why: in words that follow "the server", with the address that was asked.
        over: whether it makes no sense to ask on: the server hangs, or is gone.
        lost: whether the connection broke, or there was none: the server may have ended.
        no_route: whether the server knows no such path, or takes no POST there.
    """

    why: str
    over: bool
    lost: bool = False
    no_route: bool = False


def exchange(
    server: Server, content: bytes, content_type: str, *, patience: float = PATIENCE
) -> Answer | NoAnswer:
    """Ask for a prediction, over a connection of its own.

    Args:
        server: whom to ask.
        content: the request's body.
        content_type: of the request.
        patience: seconds after which it counts as hanging, however slowly it goes on answering.
    """
    asked = f"POST {server.url}{server.predict}"
    late = NoAnswer(why=f"does not answer {asked} within {patience:g} s", over=True)
    headers = {"Content-Type": content_type, "Connection": "close"}
    started = time.perf_counter()
    limit = Limit(patience)
    try:
        with limit, closing(server.open(patience)) as connection:
            limit.hold(connection.sock)
            connection.request("POST", server.predict, content, headers)
            response = connection.getresponse()
            body = _body(response)
            seconds = time.perf_counter() - started
    except (OSError, http.client.HTTPException) as error:
        if limit.late or isinstance(error, TimeoutError):
            return late
        if isinstance(error, ConnectionRefusedError):
            return NoAnswer(why=f"no longer listens at {server.url}", over=True, lost=True)
        why = f"breaks the connection of {asked} ({_reason(error)})"
        return NoAnswer(why=why, over=False, lost=True)
    if limit.late:
        return late
    if body is None:
        return NoAnswer(why=f"answers {asked} with more than {LARGEST >> 20} MiB", over=False)
    if response.status != http.client.OK:
        detail = " ".join(body[:_SHOWN].decode(errors="replace").split())
        why = f"answers {asked} with status {response.status}" + (f": {detail}" if detail else "")
        return NoAnswer(why=why, over=False, no_route=response.status in _NO_ROUTE)
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
