"""One run from start to end, whatever runs it: health, signals, grace, exit status."""

import math
import queue
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Final, Protocol

from mlimage.errors import RunError
from mlimage.host.health import Elsewhere, NotReady, Ready, Strays, wait_healthy
from mlimage.host.misplaced import misplaced, not_yet, unhealthy
from mlimage.host.reach import Server
from mlimage.host.request import RunRequest
from mlimage.runtime.failure import CONFIG

GRACE: Final = 10.0
"""Seconds that a server has to end after SIGTERM; Docker's own figure."""
_TURN: Final = 0.5
"""Seconds after which a signal is heard at the latest."""
CLEAN_STOPS: Final = frozenset({0, 128 + signal.SIGTERM, 128 + signal.SIGINT})
"""Statuses of a server that ended as asked. uvicorn and others end themselves by the signal that they got."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How the container ended: its exit status, and what the user should know beyond it."""

    status: int
    reason: str | None = None


def out_of_memory(limit: int | None) -> str:
    """What a person is told when the kernel ended a run for its memory."""
    had = f"its limit of {shown_size(limit)}; give it more with --memory" if limit else "this machine has"
    return f"killed by the kernel (status 137): it used more memory than {had}"


def shown_size(size: int) -> str:
    """A number of bytes as `--memory` takes it, rounded to three digits: `1.5g`."""
    for unit, name in ((1 << 30, "g"), (1 << 20, "m")):
        if size >= unit:
            return f"{size / unit:.3g}{name}"
    return f"{size / 1024:.3g}k"


class Started(Strays, Protocol):
    """A container that runs."""

    def connect(self, seconds: float) -> socket.socket:
        """A new connection to its server, with so many seconds for each operation; raises `OSError`."""

    def exposed(self) -> str | None:
        """A line that says who else reaches its server, where that are more than who it is published for."""

    def wait(self) -> Ended:
        """Wait for its end and show its output; called once, on a thread of its own."""

    def signal(self, number: int) -> None:
        """Send a signal to its main process; nothing happens when it has ended."""

    def kill(self) -> None:
        """End it at once."""


@dataclass(frozen=True, slots=True)
class _Signal:
    number: int


@dataclass(frozen=True, slots=True)
class _Broken:
    error: BaseException


@dataclass(frozen=True, slots=True)
class _Late:
    """Its time is over."""


@dataclass(frozen=True, slots=True)
class _Done:
    """What was to be done with the server is done."""


_Event = Ended | Ready | NotReady | Elsewhere | _Signal | _Broken | _Late | _Done


def supervise(
    started: Started,
    request: RunRequest,
    *,
    say: Callable[[str], None],
    warn: Callable[[str], None] | None = None,
    grace: float = GRACE,
    meanwhile: Callable[[Server], None] | None = None,
    pass_signals: bool = False,
) -> int:
    """Go with a started container to its end and return the exit status for mlimage.

    A signal is raised here as everywhere (`mlimage.signals`), and who started the container ends it. Where
    signals are passed on, these are SIGINT, SIGTERM and SIGHUP, and a second one kills. A server is asked to
    end with SIGTERM instead, for Ctrl-C is the ordinary way to stop one: its clean end within `grace` seconds
    is status 0.

    Args:
        started: the container.
        request: what it is.
        say: shows a line to the user.
        warn: shows one that says what goes wrong, or who else reaches the server; `say` when None.
        grace: seconds that a server has to end.
        meanwhile: what is done with a server, on a thread of its own, once it is healthy; then it is asked to
            end. None where it serves until somebody ends it.
        pass_signals: whether they are meant for what runs, whose status is then the answer.

    Raises:
        RunError: a server ended, or was not healthy in time; a run did not end in time.
    """
    events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
    stop = threading.Event()
    # Handlers only put into the queue (which `SimpleQueue` allows them): they may interrupt anything.
    passed = _signals(lambda number: events.put(_Signal(number)), ignore_interrupt=request.tty)
    with passed if pass_signals else nullcontext():
        _background("wait", events, started.wait)
        if request.health is not None and request.port is not None:
            health, server = request.health, _server(started, request)
            _background(
                "health",
                events,
                lambda: wait_healthy(server, health, stop, strays=started, tell=events.put),
            )
        if request.seconds is not None:
            _background("limit", events, lambda: None if stop.wait(request.seconds) else _Late())
        try:
            return _Course(started, request, say, say if warn is None else warn, grace, meanwhile).follow(
                events
            )
        finally:
            stop.set()


def _server(started: Started, request: RunRequest) -> Server:
    role = request.contract.roles.roles["serve"]
    predict = dict(request.env).get("MLIMAGE_PREDICT_ROUTE") or role.predict
    return Server(url=request.port.url if request.port else "", connect=started.connect, predict=predict)


class _Course:
    """The state of one run, moved by its events."""

    def __init__(
        self,
        started: Started,
        request: RunRequest,
        say: Callable[[str], None],
        warn: Callable[[str], None],
        grace: float,
        meanwhile: Callable[[Server], None] | None,
    ) -> None:
        self._started = started
        self._request = request
        self._say = say
        self._warn = warn
        self._grace = grace
        self._meanwhile = meanwhile
        self._healthy = False
        self._failure: RunError | None = None
        self._asked = False
        self._killed = False

    def follow(self, events: "queue.SimpleQueue[_Event]") -> int:
        while True:
            waits = self._asked and self._request.serves and not self._killed
            event = _next(events, self._grace if waits else None)
            if event is None:
                self._warn(f"it did not end within {self._grace:.0f} s after SIGTERM: killed")
                self._kill()
                continue
            match event:
                case Ended():
                    return self._end(event)
                case Ready():
                    self._ready(events)
                case _Done():
                    self._stop()
                case _Late():
                    self._late()
                case NotReady():
                    self._not_ready(event)
                case Elsewhere():
                    self._elsewhere(event)
                case _Signal():
                    self._pass_on(event.number)
                case _Broken():
                    raise event.error

    def _ready(self, events: "queue.SimpleQueue[_Event]") -> None:
        self._healthy = True
        request, meanwhile = self._request, self._meanwhile
        if request.port is None or request.health is None or self._asked:
            return
        if meanwhile is not None:
            server = _server(self._started, request)
            _background("meanwhile", events, lambda: _done(meanwhile, server))
        else:
            self._say(
                f"serving {request.image.name} on {request.port.url}  "
                f"(health {request.health.path}, Ctrl-C stops)"
            )
            if exposed := self._started.exposed():
                self._warn(exposed)

    def _not_ready(self, found: NotReady) -> None:
        if self._asked:
            return
        self._failure = unhealthy(self._request, found)
        self._stop()

    def _elsewhere(self, found: Elsewhere) -> None:
        if self._asked:
            return
        if found.sure is None:
            self._warn(not_yet(self._request, found.strays))
            return
        self._failure = misplaced(self._request, found.sure)
        self._stop()

    def _late(self) -> None:
        self._failure = RunError(
            f"`{self._request.image.name}` did not end within {self._request.seconds:g} s, and was ended",
            hint="does it wait for something? --timeout SECONDS gives it more time",
        )
        self._kill()

    def _pass_on(self, number: int) -> None:
        if self._asked:
            self._kill()
        elif self._request.serves:
            self._stop()
        else:
            self._asked = True
            self._started.signal(number)

    def _stop(self) -> None:
        self._asked = True
        self._started.signal(signal.SIGTERM)

    def _kill(self) -> None:
        self._killed = True
        self._started.kill()

    def _end(self, ended: Ended) -> int:
        if self._failure:
            raise self._failure
        if ended.reason:
            self._warn(ended.reason)
        if not self._request.serves:
            return ended.status
        if self._asked:
            return 0 if ended.status in CLEAN_STOPS else ended.status
        if ended.status == CONFIG and not self._meanwhile:
            # Its entry point has said why this machine is not one for it; there is no more to say.
            return ended.status
        if not self._healthy:
            raise RunError(
                f"`{self._request.image.name}` ended with status {ended.status} before it was healthy",
                hint="its last lines above should say why",
            )
        if self._meanwhile:
            raise RunError(
                f"`{self._request.image.name}` ended with status {ended.status} while it was asked",
                hint="its last lines above should say why",
            )
        return ended.status


def _next(events: "queue.SimpleQueue[_Event]", patience: float | None) -> _Event | None:
    """The next event; None when there is none for so many seconds.

    A signal that comes just before a wait is heard only after it, so no wait is long.
    """
    until = math.inf if patience is None else time.monotonic() + patience
    while (left := until - time.monotonic()) > 0:
        with suppress(queue.Empty):
            return events.get(timeout=min(_TURN, left))
    return None


def _done(work: Callable[[Server], None], server: Server) -> _Done:
    work(server)
    return _Done()


def _background(name: str, events: "queue.SimpleQueue[_Event]", work: Callable[[], _Event | None]) -> None:
    def act() -> None:
        try:
            event = work()
        # Whatever happens on this thread, the main one must hear of it, or it waits for ever.
        except BaseException as error:  # noqa: BLE001
            event = _Broken(error)
        if event is not None:
            events.put(event)

    threading.Thread(target=act, name=name, daemon=True).start()


@contextmanager
def _signals(handle: Callable[[int], None], *, ignore_interrupt: bool) -> Iterator[None]:
    """Take these signals while the block runs; a container with a terminal hears Ctrl-C itself."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handler(number: int, _frame: FrameType | None) -> None:
        if not (ignore_interrupt and number == signal.SIGINT):
            handle(number)

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as `nohup` wants it
        numbers.append(signal.SIGHUP)  # a closed terminal, which would leave the container behind
    previous = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)
