import http.server
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from mlimage.errors import RunError
from mlimage.host.health import Miss, ask
from mlimage.host.outlet import lacks_outlet
from mlimage.host.ports import Listener
from mlimage.host.ports import free_port as checked_port
from mlimage.host.reach import Server, dial
from mlimage.host.request import Health, Port, RunRequest
from mlimage.host.session import Ended, out_of_memory, supervise
from mlimage.signals import Signalled, raised
from support.rawserver import Talk, raw_server
from support.running import free_port, request, server_at


class Fake:
    """A container that ends when it is told to, or by the signals that it heeds."""

    def __init__(
        self,
        *,
        heeds: tuple[int, ...] = (),
        ended: Ended | None = None,
        listens: tuple[Listener, ...] = (),
        answers: Callable[[str], int | None] = lambda _: None,
        exposure: str | None = None,
    ) -> None:
        self.heeds = heeds
        self.got: list[int] = []
        self.ended = ended
        self.listens, self.answers, self.exposure = listens, answers, exposure
        self.port: Port | None = None
        self.over = threading.Event()
        if ended:
            self.over.set()

    def wait(self) -> Ended:
        self.over.wait(20)
        assert self.ended
        return self.ended

    def connect(self, seconds: float) -> socket.socket:
        assert self.port
        return dial(self.port.address, self.port.number, seconds)

    def exposed(self) -> str | None:
        return self.exposure

    def strays(self) -> tuple[Listener, ...]:
        return self.listens

    def is_lost(self, stray: Listener) -> bool:
        return stray.port == self.port.inside if self.port else False

    def status_at(self, stray: Listener, path: str) -> int | None:
        return self.answers(path)

    def signal(self, number: int) -> None:
        self.got.append(number)
        if number in self.heeds:
            self.end(128 + number)

    def kill(self) -> None:
        self.got.append(signal.SIGKILL)
        self.end(137)

    def end(self, status: int) -> None:
        self.ended = self.ended or Ended(status=status)
        self.over.set()


def supervised(fake: Fake, asked: RunRequest, **more: Any) -> int:
    fake.port = asked.port
    return supervise(fake, asked, **more)


@contextmanager
def server(status: int = 200, body: bytes = b"", *, port: int = 0) -> Iterator[Port]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield Port(address="127.0.0.1", number=running.server_port, inside=8080)
        running.shutdown()
        thread.join()


class Said(list[str]):
    """Lines that the user saw; a line may be answered with a signal, as a person would."""

    def __init__(self, *, interrupts: int = 0) -> None:
        super().__init__()
        self.interrupts = interrupts

    def __call__(self, line: str) -> None:
        self.append(line)
        for _ in range(self.interrupts):
            os.kill(os.getpid(), signal.SIGINT)


def soon(*numbers: int) -> None:
    def act() -> None:
        for number in numbers:
            time.sleep(0.1)
            os.kill(os.getpid(), number)

    threading.Thread(target=act).start()


def test_the_status_is_passed_on() -> None:
    said = Said()
    assert supervised(Fake(ended=Ended(status=7, reason="why")), request("train"), say=said) == 7
    assert said == ["why"]


@pytest.fixture(autouse=True)
def _a_terminal_that_may_close() -> Iterator[None]:
    """SIGHUP as a shell starts programs, also where these tests run under `nohup`."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_are_passed_on(number: int) -> None:
    fake = Fake(heeds=(number,))
    soon(number)
    assert supervised(fake, request("train"), say=Said(), pass_signals=True) == 128 + number
    assert fake.got == [number]


def test_a_signal_that_interrupts_no_wait_is_heard() -> None:
    """As one does that comes just before a wait: the kernel gives it to another thread here."""

    class Elsewhere(Fake):
        def wait(self) -> Ended:
            time.sleep(0.2)  # by then the main thread waits
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
            return super().wait()

    fake = Elsewhere(heeds=(signal.SIGTERM,))
    assert supervised(fake, request("train"), say=print, pass_signals=True) == 128 + signal.SIGTERM
    assert fake.got == [signal.SIGTERM]


def test_nohup_stays() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    fake = Fake(heeds=(signal.SIGHUP, signal.SIGTERM))
    soon(signal.SIGHUP, signal.SIGTERM)
    assert supervised(fake, request("train"), say=Said(), pass_signals=True) == 143
    assert fake.got == [signal.SIGTERM]


def test_a_second_signal_kills() -> None:
    fake = Fake()
    soon(signal.SIGINT, signal.SIGINT)
    assert supervised(fake, request("train"), say=Said(), pass_signals=True) == 137
    assert fake.got == [signal.SIGINT, signal.SIGKILL]


def test_a_program_with_the_terminal_hears_ctrl_c_itself() -> None:
    fake = Fake(heeds=(signal.SIGTERM,))
    soon(signal.SIGINT, signal.SIGTERM)
    assert supervised(fake, request("shell", tty=True), say=Said(), pass_signals=True) == 143
    assert fake.got == [signal.SIGTERM]


def test_handlers_are_as_before() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    supervised(Fake(ended=Ended(status=0)), request("train"), say=Said(), pass_signals=True)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_server_is_announced_and_ends_well() -> None:
    fake, said = Fake(heeds=(signal.SIGTERM,)), Said(interrupts=1)
    with server() as port:
        asked = request("serve", port=port, health=Health(path="/ping"))
        status = supervised(fake, asked, say=said, pass_signals=True)
    assert (status, fake.got) == (0, [signal.SIGTERM])
    assert said == [f"serving demo:cpu on http://127.0.0.1:{port.number}  (health /ping, Ctrl-C stops)"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_what_only_computes(number: int) -> None:
    fake = Fake()
    soon(number)
    with raised(last=False), pytest.raises(Signalled) as caught:
        supervised(fake, request("probe"), say=Said())
    fake.end(0)
    assert (caught.value.number, fake.got) == (number, [])


def test_a_signal_ends_what_is_done_with_a_server() -> None:
    fake, over = Fake(), threading.Event()

    def meanwhile(_: Server) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        over.wait(20)

    with server() as port:
        asked = request("serve", port=port, health=Health(path="/ping"))
        with raised(last=False), pytest.raises(Signalled):
            supervised(fake, asked, say=Said(), meanwhile=meanwhile)
    over.set()
    fake.end(0)
    assert fake.got == []


def test_something_is_done_with_a_server_and_then_it_ends() -> None:
    fake, said, found = Fake(heeds=(signal.SIGTERM,)), Said(), []
    with server() as port:
        asked = request("serve", port=port, health=Health(path="/ping"))
        status = supervised(fake, asked, say=said, meanwhile=lambda where: found.append(ask(where, "/ping")))
    assert (status, fake.got, found, said) == (0, [signal.SIGTERM], [None], [])


def test_a_server_that_ends_while_it_is_asked() -> None:
    fake = Fake()

    def meanwhile(_: Server) -> None:
        fake.end(139)
        time.sleep(1)

    with server() as port:
        asked = request("serve", port=port, health=Health(path="/ping"))
        with pytest.raises(RunError) as caught:
            supervised(fake, asked, say=Said(), meanwhile=meanwhile)
    assert caught.value.message == "`demo:cpu` ended with status 139 while it was asked"


def test_what_breaks_meanwhile_is_raised() -> None:
    def meanwhile(_: Server) -> None:
        raise RunError("another answer")

    with server() as port:
        asked = request("serve", port=port, health=Health(path="/ping"))
        with pytest.raises(RunError, match="another answer"):
            supervised(Fake(), asked, say=Said(), meanwhile=meanwhile)


def test_a_server_that_does_not_end_is_killed() -> None:
    fake, said = Fake(), Said(interrupts=1)
    with server() as port:
        asked = request("serve", port=port, health=Health(path="/ping"))
        said.interrupts = 1
        status = supervised(
            fake,
            asked,
            say=lambda line: said(line) if not said else said.append(line),
            grace=0.2,
            pass_signals=True,
        )
    assert (status, fake.got) == (137, [signal.SIGTERM, signal.SIGKILL])
    assert said[1:] == ["it did not end within 0 s after SIGTERM: killed"]


def test_a_server_that_ends_by_itself_gives_its_status() -> None:
    fake = Fake()
    with server() as port:
        asked = request("serve", port=port, health=Health(path="/ping"))
        assert supervised(fake, asked, say=lambda _: fake.end(3)) == 3


def test_a_server_that_cannot_start_on_this_machine_has_said_why() -> None:
    said = Said()
    asked = request("serve", port=free_port(), health=Health(path="/ping"))
    assert supervised(Fake(ended=Ended(status=78)), asked, say=said) == 78
    assert said == []


def test_a_server_that_ends_before_it_is_healthy() -> None:
    asked = request("serve", port=free_port(), health=Health(path="/ping"))
    with pytest.raises(RunError) as caught:
        supervised(Fake(ended=Ended(status=0)), asked, say=Said())
    assert str(caught.value) == "`demo:cpu` ended with status 0 before it was healthy"


def test_a_server_that_never_gets_healthy() -> None:
    fake = Fake(heeds=(signal.SIGTERM,))
    with server(503, b"no model") as port:
        asked = request("serve", port=port, health=Health(path="/ping", patience=0.2))
        with pytest.raises(RunError) as caught:
            supervised(fake, asked, say=Said())
    assert str(caught.value) == (
        f"`demo:cpu` was not healthy after 0 s: {port.url}/ping gave status 503: no model"
    )
    assert caught.value.hint == "its last lines above may say why; --health-timeout SECONDS waits longer"
    assert fake.got == [signal.SIGTERM]


ELSEWHERE = (Listener("0.0.0.0", 8000),)  # noqa: S104 - nothing is bound


def astray(
    fake: Fake, *, patience: float = 20.0, inside: int = 8080, **more: Any
) -> tuple[list[str], RunError]:
    port = replace(free_port(), inside=inside)
    asked = request("serve", port=port, health=Health(path="/ping", patience=patience), **more)
    said = Said()
    with pytest.raises(RunError) as caught:
        supervised(fake, asked, say=said)
    return [line.replace(port.url, "URL") for line in said], RunError(
        caught.value.message.replace(port.url, "URL"), hint=caught.value.hint
    )


def test_a_server_that_is_at_another_port() -> None:
    fake = Fake(
        heeds=(signal.SIGTERM,), listens=ELSEWHERE, answers=lambda path: 200 if path == "/ping" else 404
    )
    said, error = astray(fake)
    assert (said, fake.got) == ([], [signal.SIGTERM])
    assert error.message == "`demo:cpu` listens on 0.0.0.0:8000, and not on port 8080"
    assert error.hint == (
        "let it listen on the port that `PORT` says, or write `port: 8000` under `serve:` in mlimage.yaml "
        "and build again"
    )


def test_a_server_that_does_not_heed_the_port_that_was_asked_for() -> None:
    listens = (Listener("127.0.0.1", 8080),)
    fake = Fake(
        heeds=(signal.SIGTERM,), listens=listens, answers=lambda path: 200 if path == "/ping" else 404
    )
    _, error = astray(fake, inside=9000)
    lacking = lacks_outlet(root=os.geteuid() == 0)
    assert error.message == "`demo:cpu` listens on 127.0.0.1:8080, and not on port 9000"
    assert error.hint == (
        "it does not heed `PORT`: leave --port out, use --runtime docker, or "
        + (f"{lacking}, by which the sandbox forwards a port" if lacking else "an address of IPv4")
    )


def test_a_server_whose_port_was_given_as_a_variable() -> None:
    fake = Fake(
        heeds=(signal.SIGTERM,), listens=ELSEWHERE, answers=lambda path: 200 if path == "/ping" else 404
    )
    _, error = astray(fake, env=(("PORT", "8000"),))
    assert error.message == "`demo:cpu` listens on 0.0.0.0:8000, and not on port 8080"
    assert error.hint == "leave out `--env PORT=8000`: `--port 8000` is where it is reached"


def test_a_server_that_is_at_another_address() -> None:
    fake = Fake(heeds=(signal.SIGTERM,), listens=(Listener("::1", 8080),))
    _, error = astray(fake)
    assert error.message == "`demo:cpu` listens on [::1]:8080, where it is not reached"
    assert error.hint == "let it listen on the address that `MLIMAGE_HOST` says"


@pytest.mark.parametrize("status", [None, 200, 404])
def test_a_server_that_may_still_get_to_its_port(status: int | None) -> None:
    """An exporter of metrics answers 200 at each path, and begins before the model is loaded."""
    fake = Fake(heeds=(signal.SIGTERM,), listens=ELSEWHERE, answers=lambda _: status)
    said, error = astray(fake, patience=2.5)
    assert said == ["`demo:cpu` listens on 0.0.0.0:8000, and not yet on port 8080: waiting"]
    assert error.message.startswith("`demo:cpu` was not healthy after ")
    assert error.message.endswith(" s: URL/ping gave nothing listens on the port; it listens on 0.0.0.0:8000")


def test_metrics_first_and_then_the_server() -> None:
    fake, said = Fake(heeds=(signal.SIGTERM,), listens=ELSEWHERE, answers=lambda _: 200), Said()
    later = free_port()

    def load() -> None:
        time.sleep(2.5)
        with server(port=later.number):
            fake.over.wait(20)

    threading.Thread(target=load).start()
    asked = request("serve", port=later, health=Health(path="/ping"))
    assert supervised(fake, asked, say=said, meanwhile=lambda _: None) == 0
    assert said == ["`demo:cpu` listens on 0.0.0.0:8000, and not yet on port 8080: waiting"]


def test_a_port_that_opens_while_it_is_looked_for() -> None:
    """It answers that it is not ready yet: nothing is wrong with where it listens."""
    later = free_port()
    opened = threading.Event()

    class Loading(Fake):
        def strays(self) -> tuple[Listener, ...]:
            if self.looks:
                opening.start()
                opened.wait(20)
                return (*ELSEWHERE, Listener("0.0.0.0", later.inside))  # noqa: S104 - nothing is bound
            self.looks += 1
            return ELSEWHERE

        looks = 0

    def load() -> None:
        with server(503, port=later.number):
            opened.set()
            fake.over.wait(20)

    fake, opening = Loading(heeds=(signal.SIGTERM,)), threading.Thread(target=load)
    asked = request("serve", port=later, health=Health(path="/ping", patience=3))
    with pytest.raises(RunError) as caught:
        supervised(fake, asked, say=Said())
    assert caught.value.message.endswith(" s: " + later.url + "/ping gave status 503")


def test_a_server_that_others_reach_too() -> None:
    fake, said = Fake(heeds=(signal.SIGTERM,), exposure="others reach it"), Said(interrupts=1)
    with server() as port:
        supervised(
            fake, request("serve", port=port, health=Health(path="/ping")), say=said, pass_signals=True
        )
    assert said[1:] == ["others reach it"]


def test_what_goes_wrong_is_a_warning() -> None:
    """`--quiet` hides where it serves, and not who else reaches it."""
    said, warned = Said(interrupts=1), Said()
    with server() as port:
        asked = request("serve", port=port, health=Health(path="/ping"))
        fake = Fake(heeds=(signal.SIGTERM,), exposure="others reach it")
        supervised(fake, asked, say=said, warn=warned, pass_signals=True)
    ended = Ended(status=137, reason="out of memory")
    supervised(Fake(ended=ended), request("train"), say=pytest.fail, warn=warned)
    assert (len(said), warned) == (1, ["others reach it", "out of memory"])


def test_a_server_that_has_no_such_path() -> None:
    fake = Fake(heeds=(signal.SIGTERM,))
    with server(404) as port:
        asked = request("serve", port=port, health=Health(path="/ping", patience=0.2))
        with pytest.raises(RunError) as caught:
            supervised(fake, asked, say=Said())
    assert caught.value.message == (f"`demo:cpu` was not healthy after 0 s: {port.url}/ping gave status 404")
    assert caught.value.hint == (
        "write a path that answers 200 once it is ready as `health:` under `serve:` in mlimage.yaml, and "
        "build again"
    )


def test_what_breaks_while_waiting_is_raised() -> None:
    class Broken(Fake):
        def wait(self) -> Ended:
            raise RunError("lost the container")

    with pytest.raises(RunError, match="lost the container"):
        supervised(Broken(), request("train"), say=Said())


def test_asking_once() -> None:
    with server() as port:
        assert ask(server_at(port.number), "/ping") is None
    with server(404) as port:
        assert ask(server_at(port.number), "/ping") == Miss(why="status 404", no_path=True)
    assert ask(server_at(free_port().number), "/ping") == Miss(why="nothing listens on the port", closed=True)


def test_a_free_port() -> None:
    assert checked_port("127.0.0.1", 0) > 1024


def test_a_taken_port_names_who_has_it() -> None:
    with server() as port:
        with pytest.raises(RunError) as caught:
            checked_port("127.0.0.1", port.number)
        own = f"(process {os.getpid()})"
        assert str(caught.value).startswith(f"port {port.number} of 127.0.0.1 is taken by `")
        assert str(caught.value).endswith(own)
        assert caught.value.hint == "choose another with --port NUMBER, or any free one with --port 0"


def test_an_address_of_another_machine() -> None:
    with pytest.raises(RunError) as caught:
        checked_port("192.0.2.1", 8080)
    assert str(caught.value) == "cannot listen on 192.0.2.1 port 8080: cannot assign requested address"


def test_memory_is_named() -> None:
    assert out_of_memory(3 << 29) == (
        "killed by the kernel (status 137): it used more memory than its limit of 1.5g; "
        "give it more with --memory"
    )
    assert (
        out_of_memory(None) == "killed by the kernel (status 137): it used more memory than this machine has"
    )


def body_drips(talk: Talk) -> None:
    talk.heard()
    talk.say(b"HTTP/1.1 200 OK\r\n\r\n")
    talk.drip()


def headers_drip(talk: Talk) -> None:
    talk.heard()
    talk.say(b"HTTP/1.1 200 OK\r\n")
    talk.drip(b"X: x\r\n")


def only_continues(talk: Talk) -> None:
    talk.heard()
    talk.drip(b"HTTP/1.1 100 Continue\r\n\r\n")


@pytest.mark.parametrize("behave", [body_drips, headers_drip, only_continues])
def test_a_health_check_that_drips_ends(behave: Callable[[Talk], None]) -> None:
    with raw_server(behave) as slow:
        found = ask(server_at(slow.port), "/ping", seconds=0.2)
    assert found == Miss(why="no answer within 0.2 s")
