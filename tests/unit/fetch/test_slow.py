"""Every exchange ends, however slowly the other side goes on, and says why."""

import gzip
import io
import itertools
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlimage.digest import Digest
from mlimage.errors import FetchError
from mlimage.fetch import Body, EndlessError, Http, Retry
from mlimage.progress import NOTHING
from support.rawserver import PAUSE, Talk, raw_server

CONTENT = bytes(range(256)) * 4096
DIGEST = Digest.of(CONTENT)
HINT = "check the network, the proxy (HTTPS_PROXY), or name a mirror (MLIMAGE_MIRROR_…)"
OK = b"HTTP/1.1 200 OK\r\n"
LATE = "`127.0.0.1` has not answered after 0.5 seconds"
SLOW = "fewer than 65536 bytes came in 0.15 seconds"
LONGEST = 5.0
"""Seconds for an exchange or two, on a machine that is busy with other tests."""


def headers_drip(talk: Talk) -> None:
    talk.heard()
    talk.say(OK)
    talk.drip(b"X-More: x\r\n")


def a_header_drips(talk: Talk) -> None:
    talk.heard()
    talk.say(OK, b"X-Long: ")
    talk.drip(b"x")


def only_continues(talk: Talk) -> None:
    talk.heard()
    talk.drip(b"HTTP/1.1 100 Continue\r\n\r\n", pause=0.0001)


def status_drips(talk: Talk) -> None:
    talk.heard()
    talk.drip(b"H")


def body_drips(talk: Talk) -> None:
    talk.heard()
    talk.say(OK, b"Content-Length: 1048576\r\n\r\n")
    talk.drip()


def body_without_length_drips(talk: Talk) -> None:
    talk.heard()
    talk.say(OK, b"Connection: close\r\n\r\n")
    talk.drip()


def chunks_drip(talk: Talk) -> None:
    talk.heard()
    talk.say(OK, b"Transfer-Encoding: chunked\r\n\r\n")
    talk.drip(b"1\r\nx\r\n")


def the_size_of_a_chunk_drips(talk: Talk) -> None:
    talk.heard()
    talk.say(OK, b"Transfer-Encoding: chunked\r\n\r\n1")
    talk.drip(b"0")


def what_is_packed_drips(talk: Talk) -> None:
    """Each byte is of a header of gzip, so that nothing is unpacked from it."""
    talk.heard()
    talk.say(OK, b"Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\x03")
    talk.drip(b"n")


def trailers_drip(talk: Talk) -> None:
    talk.heard()
    talk.say(OK, b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n")
    talk.drip(b"X: x\r\n")


@pytest.fixture
def http() -> Iterator[Http]:
    with Http(
        connect_timeout=0.1,
        read_timeout=0.4,  # a server that is busy with other tests may be silent for a while
        window=0.15,
        retry=Retry(attempts=1),
        environ={},
    ) as client:
        yield client


@pytest.mark.parametrize(
    ("behave", "reason"),
    [
        (headers_drip, LATE),
        (a_header_drips, LATE),
        (only_continues, LATE),
        (status_drips, LATE),
        (body_drips, SLOW),
        (body_without_length_drips, SLOW),
        (chunks_drip, SLOW),
        (the_size_of_a_chunk_drips, SLOW),
        (what_is_packed_drips, SLOW),
        (trailers_drip, SLOW),
    ],
)
def test_what_drips_ends(behave: Callable[[Talk], None], reason: str, http: Http) -> None:
    with raw_server(behave) as server:
        begun = time.monotonic()
        with pytest.raises(FetchError) as caught:
            http.get(server.url)
        assert str(caught.value) == f"`{server.url}` cannot be fetched: {reason}"
        assert caught.value.hint == HINT
        assert len(server.connections) == 1
        assert time.monotonic() - begun < LONGEST


def test_what_drips_is_tried_twice(tmp_path: Path) -> None:
    with (
        raw_server(body_drips) as server,
        Http(read_timeout=5, window=0.15, retry=Retry(sleep=lambda _: None), environ={}) as http,
    ):
        tried = f"`{server.url}` cannot be fetched: tried 2 times: {SLOW}"
        with pytest.raises(FetchError) as caught:
            http.get(server.url)
        assert str(caught.value) == tried
        with pytest.raises(FetchError) as caught:
            http.download(server.url, tmp_path / "x", digest=DIGEST, size=len(CONTENT), task=NOTHING)
        assert str(caught.value) == tried
        assert len(server.connections) == 4


def test_a_tls_handshake_that_drips_ends() -> None:
    def behave(talk: Talk) -> None:
        talk.connection.recv(4096)
        talk.say(b"\x16\x03\x03\x40\x00")  # a record of 16 KiB
        talk.drip(b"\x02")

    with (
        raw_server(behave) as server,
        Http(connect_timeout=0.3, read_timeout=5, retry=Retry(sleep=lambda _: None), environ={}) as http,
        pytest.raises(FetchError) as caught,
    ):
        http.get(f"https://127.0.0.1:{server.port}/x")
    assert str(caught.value).endswith(
        " cannot be fetched: tried 2 times: the TLS handshake with `127.0.0.1` takes more than 0.3 seconds"
    )


def test_a_proxy_that_drips_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)

    def behave(talk: Talk) -> None:
        talk.heard()
        talk.say(b"HTTP/1.1 200 Connection established\r\n")
        talk.drip(b"X-More: x\r\n")

    with raw_server(behave) as server:
        environ = {"PIP_PROXY": f"http://127.0.0.1:{server.port}"}
        with (
            Http(connect_timeout=0.1, read_timeout=0.4, retry=Retry(attempts=1), environ=environ) as http,
            pytest.raises(FetchError) as caught,
        ):
            http.get("https://index.example.com/x")
    assert str(caught.value).endswith(": `index.example.com` has not answered after 0.5 seconds")


def test_a_connection_that_is_used_again_is_held_to_its_time() -> None:
    """The second exchange drips; later ones that are quick are not disturbed by the times of those before."""
    answers = itertools.count()

    def behave(talk: Talk) -> None:
        while talk.heard():
            if next(answers) == 1:
                talk.say(OK)
                talk.drip(b"X-More: x\r\n")
            talk.say(OK, b"Content-Length: 2\r\n\r\nhi")

    retry = Retry(attempts=4, sleep=lambda _: None)
    with (
        raw_server(behave) as server,
        Http(connect_timeout=0.1, read_timeout=0.2, retry=retry, environ={}) as http,
    ):
        assert http.get(server.url).body == b"hi"
        begun = time.monotonic()
        assert http.get(server.url).body == b"hi"
        assert time.monotonic() - begun < LONGEST
        assert len(server.connections) == 2
        for _ in range(4):
            time.sleep(0.1)
            assert http.get(server.url).body == b"hi"
        assert len(server.connections) == 2


def test_a_body_may_take_long_as_long_as_it_gets_on(http: Http, tmp_path: Path) -> None:
    content = CONTENT[: 1 << 19]

    def behave(talk: Talk) -> None:
        talk.heard()
        talk.say(OK, b"Content-Length: %d\r\n\r\n" % len(content))
        for begin in range(0, len(content), 1 << 16):
            time.sleep(0.05)
            talk.say(content[begin : begin + (1 << 16)])

    with raw_server(behave) as server:
        begun = time.monotonic()
        http.download(server.url, tmp_path / "x", digest=Digest.of(content), size=len(content), task=NOTHING)
        assert time.monotonic() - begun > 0.3
        assert len(server.connections) == 1


@pytest.mark.parametrize(
    ("said", "got"),
    [
        (100, "the connection broke after 10 of 100 bytes"),
        (2**70, f"the connection broke after 10 of {2**70} bytes"),
    ],
)
def test_less_than_was_said(said: int, got: str, http: Http) -> None:
    def behave(talk: Talk) -> None:
        talk.heard()
        talk.say(OK, b"Content-Length: %d\r\n\r\n0123456789" % said)

    with raw_server(behave) as server, pytest.raises(FetchError) as caught:
        http.get(server.url)
    assert str(caught.value) == f"`{server.url}` cannot be fetched: {got}"


def test_more_than_was_said_is_not_taken_for_the_next_answer(http: Http) -> None:
    def behave(talk: Talk) -> None:
        while talk.heard():
            talk.say(OK, b"Content-Length: 2\r\n\r\nhi", OK, b"Content-Length: 3\r\n\r\nbad")

    with raw_server(behave) as server:
        assert [http.get(server.url).body for _ in range(4)] == [b"hi"] * 4


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"X: x\r\n" * 200, "`127.0.0.1` sends an answer that is not valid HTTP (got more than 100 headers)"),
        (
            b"X: " + b"x" * 70_000,
            "`127.0.0.1` sends an answer that is not valid HTTP (got more than 65536 bytes when reading header line)",  # noqa: E501
        ),
    ],
)
def test_headers_that_are_too_large(head: bytes, reason: str, http: Http) -> None:
    def behave(talk: Talk) -> None:
        talk.heard()
        talk.say(OK, head, b"\r\n\r\n")

    with raw_server(behave) as server, pytest.raises(FetchError) as caught:
        http.get(server.url)
    assert str(caught.value) == f"`{server.url}` cannot be fetched: {reason}"


def test_an_answer_that_is_none(http: Http) -> None:
    def behave(talk: Talk) -> None:
        talk.heard()
        talk.say(b"SSH-2.0-OpenSSH_9.2\r\n")

    with raw_server(behave) as server, pytest.raises(FetchError) as caught:
        http.get(server.url)
    assert str(caught.value) == (
        f"`{server.url}` cannot be fetched: `127.0.0.1` sends an answer that is not valid HTTP "
        "(it begins with `SSH-2.0-OpenSSH_9.2`)"
    )


def test_a_page_that_unpacks_to_more_than_pages_have(http: Http) -> None:
    packed = gzip.compress(bytes(64 << 20))

    def behave(talk: Talk) -> None:
        talk.heard()
        talk.say(OK, b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed), packed)

    with raw_server(behave) as server, pytest.raises(EndlessError):
        http.get(server.url, limit=1 << 20)


def test_a_file_that_begins_anew_again_and_again_is_given_up(tmp_path: Path) -> None:
    """All of what came is thrown away each time, so it is no progress, large as it is."""
    answers = itertools.count()

    def behave(talk: Talk) -> None:
        talk.heard()
        if next(answers) % 2:
            talk.say(b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n")
        else:
            talk.say(OK, b"Content-Length: 9999999\r\n\r\n", bytes((1 << 20) + 10))

    with (
        raw_server(behave) as server,
        Http(retry=Retry(sleep=lambda _: None), environ={}) as http,
        pytest.raises(FetchError, match=r"tried 6 times: .*cannot resume"),
    ):
        http.download(server.url, tmp_path / "x", digest=DIGEST, size=9_999_999, task=NOTHING)


def sent(http: Http, url: str, size: int) -> None:
    http.send("PUT", url, body=Body(open=lambda: io.BytesIO(bytes(size)), size=size), attempts=1)


def test_a_server_that_takes_what_is_sent_too_slowly() -> None:
    def behave(talk: Talk) -> None:
        talk.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        while not talk.ended.wait(PAUSE):
            talk.connection.recv(256)

    with (
        raw_server(behave) as server,
        Http(read_timeout=5, window=0.15, environ={}) as http,
        pytest.raises(FetchError) as caught,
    ):
        sent(http, server.url, 64 << 20)
    assert str(caught.value) == (
        f"`{server.url}` cannot be sent to: fewer than 65536 bytes were taken in 0.15 seconds"
    )


def test_a_server_that_answers_slowly_after_it_took_everything(http: Http) -> None:
    def behave(talk: Talk) -> None:
        left = 1 << 20
        while left > 0 and (piece := talk.connection.recv(1 << 16)):
            left -= len(piece)
        talk.say(b"HTTP/1.1 201 Created\r\n")
        talk.drip(b"X-More: x\r\n")

    with raw_server(behave) as server, pytest.raises(FetchError) as caught:
        sent(http, server.url, 1 << 20)
    assert str(caught.value) == f"`{server.url}` cannot be sent to: {LATE}"


def test_the_time_of_a_server_begins_when_it_is_connected(
    http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name may have several addresses, and those that were tried before did not answer."""
    found = socket.getaddrinfo

    def slowly_found(*args: Any, **kwargs: Any) -> Any:
        time.sleep(0.6)
        return found(*args, **kwargs)

    def behave(talk: Talk) -> None:
        talk.heard()
        talk.say(OK, b"Content-Length: 2\r\n\r\nhi")

    monkeypatch.setattr(socket, "getaddrinfo", slowly_found)
    with raw_server(behave) as server:
        assert http.get(server.url).body == b"hi"


def test_a_body_may_take_long_to_open(http: Http) -> None:
    """What a registry has of a large blob is read and hashed before the rest of it is sent."""

    def slowly_opened() -> io.BytesIO:
        time.sleep(0.6)
        return io.BytesIO(b"body")

    def behave(talk: Talk) -> None:
        heard = b""
        while not heard.endswith(b"body") and (piece := talk.connection.recv(4096)):
            heard += piece
        talk.say(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")

    with raw_server(behave) as server:
        answer = http.send("PUT", server.url, body=Body(open=slowly_opened, size=4), attempts=1)
    assert answer.status == 201
