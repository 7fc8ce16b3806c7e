import errno
import hashlib
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Self

import pytest

from mlimage.digest import Digest
from mlimage.errors import FetchError
from mlimage.fetch import (
    EndlessError,
    Http,
    MissingError,
    NoRangesError,
    NotWrittenError,
    RefusedError,
    Retry,
    UnreachableError,
)
from support.webserver import LOGIN_PAGE, Fault, WebServer, web_server

CONTENT = bytes(range(256)) * 4096
DIGEST = Digest.of(CONTENT)
NAME = "thing-1.0-py3-none-any.whl"
NETRC_HINT = "write `machine 127.0.0.1 login NAME password PASSWORD` into ~/.netrc"
PROXY_HINT = "put name and password into its URL: HTTPS_PROXY=http://NAME:PASSWORD@HOST:PORT"
NO_AUTHORITIES: Mapping[str, str] = {}


class Count:
    def __init__(self) -> None:
        self.total = 0

    def advance(self, amount: int) -> None:
        self.total += amount


@pytest.fixture
def naps() -> list[float]:
    return []


@pytest.fixture
def http(naps: list[float]) -> Iterator[Http]:
    with Http(retry=Retry(sleep=naps.append, jitter=lambda: 1.0), read_timeout=1.0) as client:
        yield client


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as server:
        server.files[f"/files/{NAME}"] = CONTENT
        yield server


def download(http: Http, web: WebServer, to: Path, *, size: int | None = len(CONTENT)) -> int:
    count = Count()
    http.download(f"{web.origin}/files/{NAME}", to, digest=DIGEST, size=size, task=count)
    return count.total


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_download_is_the_file_and_counts_its_bytes(http: Http, web: WebServer, tmp_path: Path) -> None:
    assert download(http, web, tmp_path / "sub" / "file") == len(CONTENT)
    assert (tmp_path / "sub" / "file").read_bytes() == CONTENT
    assert leftovers(tmp_path / "sub") == ["file"]
    assert web.requests[0].headers["Accept-Encoding"] == "identity"
    assert web.requests[0].headers["User-Agent"].startswith("mlimage/")


def test_the_umask_does_not_count(http: Http, web: WebServer, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        download(http, web, tmp_path / "file")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("validator", ["ETag", "none"])
def test_a_broken_download_is_resumed(
    validator: str, http: Http, web: WebServer, tmp_path: Path, naps: list[float]
) -> None:
    web.etags = validator == "ETag"
    web.spoil(NAME, Fault(cut=700_000), times=1)
    assert download(http, web, tmp_path / "file") == len(CONTENT)
    assert (tmp_path / "file").read_bytes() == CONTENT
    start = int(web.requests[1].headers["Range"].removeprefix("bytes=").removesuffix("-"))
    assert 400_000 < start <= 700_000
    assert ("If-Range" in web.requests[1].headers) is web.etags
    assert naps == [0.5]


def test_a_server_that_ignores_ranges_starts_again(http: Http, web: WebServer, tmp_path: Path) -> None:
    web.ranges = "ignored"
    web.spoil(NAME, Fault(cut=700_000), times=1)
    assert download(http, web, tmp_path / "file") == len(CONTENT)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_file_that_changes_meanwhile_starts_again(http: Http, web: WebServer, tmp_path: Path) -> None:
    web.spoil(NAME, Fault(body=b"old" * 300_000, cut=600_000), times=1)
    # The first answer is spoiled in full: its ETag is that of other bytes.
    with pytest.raises(FetchError, match="another size"):
        download(http, web, tmp_path / "other", size=900_001)
    web.mend()
    assert download(http, web, tmp_path / "file") == len(CONTENT)


def test_an_interrupted_run_is_resumed_by_the_next(http: Http, web: WebServer, tmp_path: Path) -> None:
    (tmp_path / f".partial-{DIGEST.hex}").write_bytes(CONTENT[:300_000])
    assert download(http, web, tmp_path / "file") == len(CONTENT)
    assert [request.headers.get("Range") for request in web.requests] == ["bytes=300000-"]
    assert leftovers(tmp_path) == ["file"]


@pytest.mark.parametrize("left", [b"x" * 1000, CONTENT + b"more", b"y" * len(CONTENT)])
def test_wrong_bytes_of_an_earlier_run_do_no_harm(
    left: bytes, http: Http, web: WebServer, tmp_path: Path
) -> None:
    (tmp_path / f".partial-{DIGEST.hex}").write_bytes(left)
    download(http, web, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert leftovers(tmp_path) == ["file"]


def test_a_whole_file_of_an_earlier_run_needs_no_server(http: Http, web: WebServer, tmp_path: Path) -> None:
    (tmp_path / f".partial-{DIGEST.hex}").write_bytes(CONTENT)
    download(http, web, tmp_path / "file")
    assert web.requests == []


def test_another_hash_is_tried_twice_and_named(http: Http, web: WebServer, tmp_path: Path) -> None:
    wrong = b"w" * len(CONTENT)
    web.spoil(NAME, Fault(body=wrong))
    with pytest.raises(FetchError) as caught:
        download(http, web, tmp_path / "file")
    assert str(caught.value) == (
        f"`{NAME}` from `{web.origin}/files/{NAME}` has another hash: "
        f"expected {DIGEST}, got {Digest.of(wrong)}"
    )
    assert (
        caught.value.hint
        == "it was replaced or damaged there; if the change is meant, `mlimage lock --upgrade`"
    )
    assert caught.value.exit_status == 6
    assert len(web.requests) == 2
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(("body", "came"), [(b"short", "5"), (CONTENT * 2, "more")])
def test_another_size_is_named(body: bytes, came: str, http: Http, web: WebServer, tmp_path: Path) -> None:
    web.spoil(NAME, Fault(body=body))
    with pytest.raises(FetchError) as caught:
        download(http, web, tmp_path / "file")
    assert str(caught.value) == (
        f"`{NAME}` from `{web.origin}/files/{NAME}` has another size: "
        f"expected {len(CONTENT)} bytes, got {came}"
    )


def test_a_login_page_instead_of_a_file_is_named(http: Http, web: WebServer, tmp_path: Path) -> None:
    web.spoil(NAME, LOGIN_PAGE)
    with pytest.raises(FetchError) as caught:
        download(http, web, tmp_path / "file")
    assert caught.value.hint == "the server sent a web page instead: is a login, or a proxy, in between?"


def test_what_was_tried_is_said(http: Http, web: WebServer, tmp_path: Path, naps: list[float]) -> None:
    web.spoil(NAME, Fault(status=503), times=2)
    web.spoil(NAME, Fault(cut=1000), times=1)
    web.spoil(NAME, Fault(status=500))
    with pytest.raises(FetchError) as caught:
        download(http, web, tmp_path / "file")
    assert str(caught.value) == (
        f"`{web.origin}/files/{NAME}` cannot be fetched: tried 5 times: "
        "HTTP 503 (2 times), the connection broke after 1000 of 1048576 bytes, HTTP 500 (2 times)"
    )
    assert naps == [0.5, 1.0, 2.0, 4.0]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_passing_troubles_are_outlived(status: int, http: Http, web: WebServer, tmp_path: Path) -> None:
    web.spoil(NAME, Fault(status=status), times=4)
    assert download(http, web, tmp_path / "file") == len(CONTENT)


def test_retry_after_is_honoured_and_bounded(
    http: Http, web: WebServer, tmp_path: Path, naps: list[float]
) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=20))
    for value in ("7", "3600", "nonsense", later):
        web.spoil(NAME, Fault(status=429, headers={"Retry-After": value}), times=1)
    download(http, web, tmp_path / "file")
    assert naps[:3] == [7.0, 30.0, 2.0]
    assert 15 < naps[3] <= 20


def test_many_cuts_are_no_reason_to_give_up_while_bytes_come(
    http: Http, web: WebServer, tmp_path: Path
) -> None:
    big = os.urandom(12 << 20)
    web.files["/big"] = big
    web.spoil("/big", Fault(cut=(1 << 20) + 300_000), times=8)
    http.download(f"{web.origin}/big", tmp_path / "big", digest=Digest.of(big), size=len(big), task=Count())
    assert (tmp_path / "big").read_bytes() == big
    assert len(web.requests) > 6


def test_a_silent_server_is_not_waited_for_forever(web: WebServer, tmp_path: Path) -> None:
    web.spoil(NAME, Fault(hang=True))
    with (
        Http(retry=Retry(sleep=lambda _: None), read_timeout=0.2) as http,
        pytest.raises(FetchError) as caught,
    ):
        download(http, web, tmp_path / "file")
    assert str(caught.value) == (
        f"`{web.origin}/files/{NAME}` cannot be fetched: tried 2 times: "
        "`127.0.0.1` sent nothing for 0.2 seconds"
    )
    assert caught.value.hint == (
        "check the network, the proxy (HTTPS_PROXY), or name a mirror (MLIMAGE_MIRROR_…)"
    )


@pytest.mark.parametrize(
    ("status", "reason", "hint"),
    [
        (401, "a login is asked for (HTTP 401)", NETRC_HINT),
        (403, "access is refused (HTTP 403)", NETRC_HINT),
        (407, "the proxy asks for a login (HTTP 407)", PROXY_HINT),
        (404, "it is not there (HTTP 404)", None),
        (410, "it is not there (HTTP 410)", None),
        (418, "HTTP 418", None),
    ],
)
def test_final_answers_are_not_asked_for_again(
    status: int, reason: str, hint: str | None, http: Http, web: WebServer, tmp_path: Path
) -> None:
    web.spoil(NAME, Fault(status=status))
    with pytest.raises(FetchError) as caught:
        download(http, web, tmp_path / "file")
    assert str(caught.value) == f"`{web.origin}/files/{NAME}` cannot be fetched: {reason}"
    assert caught.value.hint == hint
    assert isinstance(caught.value, MissingError) is (status in {404, 410})
    refused = isinstance(caught.value, RefusedError) and caught.value.status
    assert refused == (False if status in {404, 410} else status)
    assert len(web.requests) == 1


def test_nobody_listens(http: Http, web: WebServer, tmp_path: Path) -> None:
    with web_server() as other:
        origin = other.origin
    with pytest.raises(FetchError) as caught:
        http.get(f"{origin}/x")
    assert str(caught.value) == (
        f"`{origin}/x` cannot be fetched: tried 5 times: `127.0.0.1` refuses the connection"
    )
    assert (
        caught.value.hint == "check the network, the proxy (HTTPS_PROXY), or name a mirror (MLIMAGE_MIRROR_…)"
    )


def test_an_unknown_name(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(FetchError) as caught:
        http.get("http://nobody.invalid/x")
    assert str(caught.value) == (
        "`http://nobody.invalid/x` cannot be fetched: tried 5 times: "
        "the name `nobody.invalid` is not known (DNS)"
    )


def test_no_tls_where_it_is_expected(http: Http, web: WebServer) -> None:
    with pytest.raises(FetchError) as caught:
        http.get(web.origin.replace("http:", "https:") + "/x")
    assert "TLS with `127.0.0.1` fails" in str(caught.value)


def test_a_redirect_is_followed_without_credentials(http: Http, web: WebServer, tmp_path: Path) -> None:
    with web_server(needs="Basic dXNlcjpwYXNz") as front:
        # Another host name is another host, also when it is the same machine.
        target = web.origin.replace("127.0.0.1", "localhost") + f"/files/{NAME}"
        front.spoil("/moved", Fault(status=302, headers={"Location": target}))
        url = front.origin.replace("//", "//user:pass@") + "/moved"
        http.download(url, tmp_path / "file", digest=DIGEST, size=None, task=Count())
        assert front.requests[0].headers["Authorization"] == "Basic dXNlcjpwYXNz"
    assert "Authorization" not in web.requests[0].headers


def test_credentials_count_for_their_server_and_are_never_shown(http: Http) -> None:
    with web_server(needs="Basic dXNlcjpwQHNz") as web:
        web.files["/there"] = b"content"
        assert http.get(web.origin.replace("//", "//user:p%40ss@") + "/there").body == b"content"
        assert http.get(f"{web.origin}/there").body == b"content"
        web.spoil("/gone", Fault(status=500))
        with pytest.raises(FetchError) as caught:
            http.get(web.origin.replace("//", "//user:p%40ss@") + "/gone?token=secret")
    assert str(caught.value).startswith(f"`{web.origin}/gone` cannot be fetched")


def test_a_redirect_out_of_the_web(http: Http, web: WebServer) -> None:
    web.spoil("/moved", Fault(status=302, headers={"Location": "file:///etc/passwd"}))
    with pytest.raises(FetchError) as caught:
        http.get(f"{web.origin}/moved")
    assert str(caught.value) == (
        f"`{web.origin}/moved` cannot be fetched: it leads to something that is no web URL"
    )


def test_a_redirect_in_circles(http: Http, web: WebServer) -> None:
    web.spoil("/moved", Fault(status=302, headers={"Location": "/moved"}))
    with pytest.raises(FetchError) as caught:
        http.get(f"{web.origin}/moved")
    assert str(caught.value) == f"`{web.origin}/moved` cannot be fetched: too many redirects"


def test_a_page_and_a_page_that_is_not_there(http: Http, web: WebServer) -> None:
    web.files["/page"] = b"hello"
    answer = http.get(f"{web.origin}/page", headers={"Accept": "text/plain"})
    assert (answer.status, answer.body, answer.url) == (200, b"hello", f"{web.origin}/page")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert web.requests[-1].headers["Accept"] == "text/plain"
    assert http.get(f"{web.origin}/nothing").status == 404


def test_ranges(http: Http, web: WebServer) -> None:
    url = f"{web.origin}/files/{NAME}"
    assert http.read_range(url, 10, 20) == CONTENT[10:20]
    assert http.read_range(url, len(CONTENT) - 5, len(CONTENT) + 100) == CONTENT[-5:]
    tail = http.read_tail(url, 100)
    assert (tail.start, tail.total, tail.content) == (len(CONTENT) - 100, len(CONTENT), CONTENT[-100:])
    web.files["/small"] = b"small"
    assert http.read_tail(f"{web.origin}/small", 100).content == b"small"


@pytest.mark.parametrize("ranges", ["ignored", "refused"])
def test_no_ranges(ranges: str, http: Http) -> None:
    with web_server(ranges=ranges) as web:
        web.files["/file"] = CONTENT
        with pytest.raises(NoRangesError):
            http.read_tail(f"{web.origin}/file", 100)
        with pytest.raises(NoRangesError):
            http.read_range(f"{web.origin}/file", 0, 100)
        assert len(web.requests) == 2


def test_threads_that_want_one_file_fetch_it_once(http: Http, web: WebServer, tmp_path: Path) -> None:
    threads = [threading.Thread(target=download, args=(http, web, tmp_path / "file")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert hashlib.sha256((tmp_path / "file").read_bytes()).hexdigest() == DIGEST.hex
    assert leftovers(tmp_path) == ["file"]
    # Whoever came while the first was at it waited for it; who came after found it old and fetched again.
    assert 1 <= len(web.requests) <= 8


def test_a_full_disk(http: Http, web: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLIMAGE_CACHE", str(tmp_path))

    class Full:
        def advance(self, amount: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    assert NotWrittenError.exit_status == 11
    with pytest.raises(NotWrittenError) as caught:
        http.download(f"{web.origin}/files/{NAME}", tmp_path / "file", digest=DIGEST, size=None, task=Full())
    assert str(caught.value) == f"`{tmp_path}`: no space is left on the disk"
    assert caught.value.hint == (
        "free some (`mlimage cache prune`), or set MLIMAGE_CACHE to a folder on another disk"
    )
    assert leftovers(tmp_path) == []


def test_a_folder_that_cannot_be_made(http: Http, web: WebServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotWrittenError) as caught:
        download(http, web, tmp_path / "file" / "sub" / "x")
    assert str(caught.value) == f"`{tmp_path}/file/sub` cannot be written: not a directory"
    assert caught.value.hint == "set MLIMAGE_CACHE to a folder that you may write"


def test_a_wrong_file_of_authorities(web: WebServer, tmp_path: Path) -> None:
    with Http(environ={"PIP_CERT": f"{tmp_path}/none.pem"}) as http, pytest.raises(FetchError) as caught:
        http.get(f"{web.origin}/x")
    assert str(caught.value) == f"the file of certificate authorities `{tmp_path}/none.pem` is not there"


class Dripping:
    """A server that sends a head, then a byte every now and then, or as many as are taken, without end."""

    def __init__(self, head: str, *, byte: bytes, pause: float) -> None:
        self.head, self.byte, self.pause = head, byte, pause
        self.ended = threading.Event()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/x"
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()
        self.socket.close()

    def serve(self) -> None:
        self.socket.settimeout(0.1)
        while not self.ended.is_set():
            with suppress(OSError):
                connection, _ = self.socket.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(f"HTTP/1.1 {self.head}\r\nConnection: close\r\n\r\n".encode())
                    while not self.ended.wait(self.pause):
                        connection.sendall(self.byte)


def test_a_page_that_drips_is_given_up() -> None:
    with (
        Dripping("200 OK", byte=b"x", pause=0.05) as server,
        Http(page_timeout=0.3, read_timeout=5) as http,
        pytest.raises(FetchError) as caught,
    ):
        http.get(server.url)
    assert str(caught.value) == f"`{server.url}` cannot be fetched: it is not there after 0 seconds"


@pytest.mark.parametrize("head", ["200 OK", "302 Found\r\nLocation: /y"])
def test_a_page_without_end(head: str) -> None:
    with (
        Dripping(head, byte=b"x" * (1 << 20), pause=0) as server,
        Http(read_timeout=5) as http,
        pytest.raises(FetchError, match=r"the page has no end|too many redirects"),
    ):
        http.get(server.url)


def test_a_range_without_end() -> None:
    head = "206 Partial Content\r\nContent-Range: bytes 90-99/100"
    with (
        Dripping(head, byte=b"x" * (1 << 20), pause=0) as server,
        Http(read_timeout=5) as http,
        pytest.raises(NoRangesError, match="another range"),
    ):
        http.read_tail(server.url, 10)


def test_a_download_that_drips_is_broken_off(tmp_path: Path) -> None:
    with (
        Dripping("200 OK", byte=b"x", pause=0.03) as server,
        Http(read_timeout=5, window=0.1, retry=Retry(attempts=2, sleep=lambda _: None)) as http,
        pytest.raises(FetchError, match=r"fewer than 65536 bytes came in 0\.1 seconds"),
    ):
        http.download(server.url, tmp_path / "x", digest=DIGEST, size=None, task=Count())


def test_statuses_that_the_caller_judges(http: Http, web: WebServer) -> None:
    web.spoil("/x", Fault(status=401, body=b"who?"))
    answer = http.get(f"{web.origin}/x", judged=frozenset({401}))
    assert (answer.status, answer.body) == (401, b"who?")
    with pytest.raises(RefusedError):
        http.get(f"{web.origin}/x")
    with pytest.raises(MissingError):
        http.get(f"{web.origin}/y", judged=frozenset())


def test_more_than_the_caller_takes(http: Http, web: WebServer) -> None:
    assert len(http.get(f"{web.origin}/files/{NAME}", limit=len(CONTENT)).body) == len(CONTENT)
    with pytest.raises(EndlessError):
        http.get(f"{web.origin}/files/{NAME}", limit=len(CONTENT) - 1)


def test_a_server_that_stays_busy(http: Http, web: WebServer) -> None:
    web.spoil("/x", Fault(status=429))
    with pytest.raises(UnreachableError) as caught:
        http.get(f"{web.origin}/x")
    assert caught.value.status == 429


class Answers:
    """An `Authenticator` that has these headers, one after the other."""

    def __init__(self, *headers: str | None) -> None:
        self.headers = list(headers)
        self.asked: list[tuple[str, str | None]] = []

    def header(self) -> str | None:
        return self.headers[0]

    def answer(self, challenge: str, used: str | None) -> bool:
        self.asked.append((challenge, used))
        if len(self.headers) > 1:
            self.headers.pop(0)
            return True
        return False


def test_a_server_that_asks_who_it_is(http: Http, web: WebServer) -> None:
    web.needs, web.challenge = "Bearer b", "Bearer realm=r"
    answers = Answers(None, "Bearer a", "Bearer b")
    assert http.get(f"{web.origin}/files/{NAME}", auth=answers).body == CONTENT
    assert answers.asked == [("Bearer realm=r", None), ("Bearer realm=r", "Bearer a")]
    with pytest.raises(RefusedError):
        http.get(f"{web.origin}/files/{NAME}", auth=Answers("Bearer c"))


def test_a_server_that_never_has_enough(http: Http, web: WebServer) -> None:
    web.needs = "Bearer z"
    with pytest.raises(RefusedError):
        http.get(f"{web.origin}/files/{NAME}", auth=Answers(*(f"Bearer {n}" for n in range(50))))
    assert len(web.requests) == 3


def test_what_one_server_is_told_another_is_not(http: Http, web: WebServer) -> None:
    with web_server(needs="Bearer a") as other:
        other.files["/x"] = CONTENT
        web.spoil("/x", Fault(status=302, headers={"Location": f"{other.origin}/x"}))
        answers = Answers("Bearer a")
        with pytest.raises(RefusedError):
            http.get(f"{web.origin}/x", auth=answers)
        assert [request.headers.get("Authorization") for request in other.requests] == [None]
        assert answers.asked == []
