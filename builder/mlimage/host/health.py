"""Waiting until a server says that it is ready, or until it is clear that it listens elsewhere."""

import http.client
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Final, Protocol

from mlimage.fetch.limit import Limit
from mlimage.host.ports import Listener
from mlimage.host.reach import Server
from mlimage.host.request import Health

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 0.5
ANSWER_TIMEOUT = 5.0
LOOK: Final = 1.0
"""Seconds between two looks at where a server listens that does not where it should."""
SETTLED: Final = 1.0
"""Seconds for which it listens elsewhere alone before that is said."""
_NOWHERE: Final = "/mlimage/no/such/path"
_LONGEST_DETAIL = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The server answered 200 at its health path, after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NotReady:
    """The patience was used up.

    Attributes:
        seconds: for which it was waited.
        last: what the last attempt saw.
        strays: where it listens instead.
    """

    seconds: float
    last: "Miss"
    strays: tuple[Listener, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """It listens, and not where it should.

    Attributes:
        strays: where.
        sure: the one of them that is the server and will be no other: it answers at the health path, or
            listens at the right port of a wrong address. None while it may still get there.
    """

    strays: tuple[Listener, ...]
    sure: Listener | None = None


class Strays(Protocol):
    """What knows where a server listens."""

    def strays(self) -> tuple[Listener, ...]:
        """Where it listens without being reached where it should be."""

    def is_lost(self, stray: Listener) -> bool:
        """Whether it listens at the right port, of an address that cannot be reached."""

    def status_at(self, stray: Listener, path: str) -> int | None:
        """What it answers there to GET; None where it does not speak HTTP, or cannot be asked."""


def wait_healthy(
    server: Server,
    health: Health,
    stop: threading.Event,
    *,
    strays: Strays,
    tell: Callable[[Elsewhere], None],
    clock: Callable[[], float] = time.monotonic,
) -> Ready | NotReady | Elsewhere | None:
    """Ask until the server is ready, the patience is used up, or `stop` is set (which gives None).

    A server may open a port for its metrics first, and the right one once its model is loaded. So that it
    listens elsewhere is told once, and ends the waiting only where the other port is certainly the server's.
    """
    watch = _Watch(server, health, strays, tell, clock)
    started = clock()
    pause = FIRST_PAUSE
    while True:
        last = ask(server, health.path)
        seconds = clock() - started
        if last is None:
            return Ready(seconds=seconds)
        if (sure := watch.look(closed=last.closed)) is not None:
            return Elsewhere(strays=watch.seen, sure=sure)
        if seconds >= health.patience:
            return NotReady(seconds=seconds, last=last, strays=watch.seen)
        if stop.wait(min(pause, max(0.0, health.patience - seconds))):
            return None
        pause = min(pause * 1.5, LONGEST_PAUSE)


class _Watch:
    """Looks now and then where a server listens whose port is closed."""

    def __init__(
        self,
        server: Server,
        health: Health,
        strays: Strays,
        tell: Callable[[Elsewhere], None],
        clock: Callable[[], float],
    ) -> None:
        self.seen: tuple[Listener, ...] = ()
        self._server = server
        self._health = health
        self._strays = strays
        self._tell = tell
        self._clock = clock
        self._looked = clock()
        self._since: float | None = None
        self._told = False

    def look(self, *, closed: bool) -> Listener | None:
        """Where it certainly is instead; what may be so is told, once."""
        now = self._clock()
        if not closed:
            self.seen, self._since = (), None
            return None
        if now - self._looked < LOOK:
            return None
        self._looked = now
        self.seen = self._strays.strays()
        if not self.seen:
            self._since = None
            return None
        self._since = now if self._since is None else self._since
        if now - self._since < SETTLED:
            return None
        again = ask(self._server, self._health.path)
        if again is None or not again.closed:  # it has opened its port just now
            return None
        sure = next((each for each in self.seen if _is_sure(each, self._health, self._strays)), None)
        if sure is None and not self._told:
            self._told = True
            self._tell(Elsewhere(strays=self.seen))
        return sure


def _is_sure(stray: Listener, health: Health, strays: Strays) -> bool:
    if strays.is_lost(stray):
        return True
    # What answers at each path, as an exporter of metrics does, says nothing by it.
    return strays.status_at(stray, health.path) == http.client.OK and (
        strays.status_at(stray, _NOWHERE) not in {None, http.client.OK}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """It is not ready.

    Attributes:
        why: in words, for people.
        closed: whether nobody listened.
        no_path: whether it knows no such path.
    """

    why: str
    closed: bool = False
    no_path: bool = False


def ask(server: Server, path: str, *, seconds: float = ANSWER_TIMEOUT) -> Miss | None:
    """Ask once: None when it is ready, else what came instead.

    Args:
        server: whom.
        path: its health path.
        seconds: that the answer may take, all of it.
    """
    late = Miss(why=f"no answer within {seconds:g} s")
    limit = Limit(seconds)
    try:
        status, body = _get(server, path, limit, seconds)
    except ConnectionRefusedError:
        return Miss(why="nothing listens on the port", closed=True)
    except (OSError, http.client.HTTPException) as error:
        if limit.late or isinstance(error, TimeoutError):
            return late
        # Docker's proxy accepts and closes at once while nothing listens in the container.
        return Miss(why=f"the connection broke ({str(error) or type(error).__name__})", closed=True)
    if limit.late:
        return late
    if status == http.client.OK:
        return None
    text = body.decode(errors="replace").strip()
    detail = f": {text[:_LONGEST_DETAIL]}" if text else ""
    return Miss(why=f"status {status}{detail}", no_path=status == http.client.NOT_FOUND)


def status_of(server: Server, path: str, *, seconds: float = 1.0) -> int | None:
    """The status of an answer to GET; None where there is none in time."""
    try:
        return _get(server, path, Limit(seconds), seconds)[0]
    except (OSError, http.client.HTTPException):
        return None


def _get(server: Server, path: str, limit: Limit, seconds: float) -> tuple[int, bytes]:
    with limit, closing(server.open(seconds)) as connection:
        limit.hold(connection.sock)
        connection.request("GET", path, headers={"Connection": "close"})
        response = connection.getresponse()
        return response.status, response.read(4096)
