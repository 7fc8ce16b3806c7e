"""Proxies, the authorities of a company and patience, as this machine is configured to them."""

import base64
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlimage.errors import FetchError, UsageError
from mlimage.fetch import Http, Retry
from support.proxy import forward_proxy
from support.webserver import Fault, WebServer, web_server

# Made for these tests alone, for the name `localhost`; nobody trusts it who is not told to.
CERTIFICATE = Path(__file__).parents[2] / "support" / "localhost.pem"
LOGIN = "Basic " + base64.b64encode(b"me:hunter2").decode()
LOGIN_HINT = "put name and password into its URL: HTTPS_PROXY=http://NAME:PASSWORD@HOST:PORT"


@pytest.fixture(autouse=True)
def pip_conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without proxies; this is pip's configuration."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    path = tmp_path / "pip.conf"
    path.write_text("")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(path))
    return path


@pytest.fixture(params=["http", "https"])
def web(request: pytest.FixtureRequest) -> Iterator[WebServer]:
    with web_server(certificate=CERTIFICATE if request.param == "https" else None) as server:
        server.files["/page"] = b"hello"
        yield server


def client(**environ: str) -> Http:
    return Http(retry=Retry(sleep=lambda _: None), environ={"PIP_CERT": str(CERTIFICATE), **environ})


def scheme(web: WebServer) -> str:
    return web.origin.partition(":")[0]


def seen(web: WebServer) -> tuple[str, str]:
    """What a proxy sees of a request for the page."""
    if scheme(web) == "https":
        return ("CONNECT", web.origin.partition("//")[2])
    return ("GET", f"{web.origin}/page")


def fails(http: Http, url: str) -> tuple[str, str | None]:
    with pytest.raises(FetchError) as caught:
        http.get(url)
    assert "hunter2" not in f"{caught.value}{caught.value.hint}"
    return str(caught.value).partition(" cannot be fetched: ")[2], caught.value.hint


@pytest.mark.parametrize("spell", [str.lower, str.upper])
def test_the_proxy_of_the_environment(
    spell: Callable[[str], str], web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with forward_proxy() as proxy, client() as http:
        monkeypatch.setenv(spell(f"{scheme(web)}_proxy"), proxy.url)
        assert http.get(f"{web.origin}/page").body == b"hello"
        assert proxy.seen == [seen(web)]


def test_a_host_that_needs_no_proxy(web: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with forward_proxy() as proxy, client(PIP_PROXY=proxy.url) as http:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
        assert http.get(f"{web.origin}/page").body == b"hello"
        assert proxy.seen == []


@pytest.mark.parametrize("how", ["PIP_PROXY", "pip.conf", "pip.conf without a scheme"])
def test_the_proxy_of_pip(how: str, web: WebServer, pip_conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with forward_proxy() as proxy:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
        if how != "PIP_PROXY":
            pip_conf.write_text(
                f"[global]\nproxy = {proxy.url.removeprefix('http://' if 'without' in how else '')}\n"
            )
        with client(**({"PIP_PROXY": proxy.url} if how == "PIP_PROXY" else {})) as http:
            assert http.get(f"{web.origin}/page").body == b"hello"
        assert proxy.seen == [seen(web)]


def test_a_proxy_with_a_login(web: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with forward_proxy(needs=LOGIN) as proxy, client() as http:
        monkeypatch.setenv(f"{scheme(web)}_proxy", proxy.url.replace("//", "//me:hunter2@"))
        assert http.get(f"{web.origin}/page").body == b"hello"
        monkeypatch.setenv(f"{scheme(web)}_proxy", proxy.url.replace("//", "//you:hunter2@"))
        with client() as other:
            assert fails(other, f"{web.origin}/page") == (
                "the proxy asks for a login (HTTP 407)",
                LOGIN_HINT,
            )
    assert all("Proxy-Authorization" not in request.headers for request in web.requests)


def test_a_proxy_that_refuses(web: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with forward_proxy(refuses=403) as proxy, client() as http:
        monkeypatch.setenv(f"{scheme(web)}_proxy", proxy.url)
        reason, hint = fails(http, f"{web.origin}/page")
    if scheme(web) == "https":  # of what is not encrypted, the answer may as well be the server's
        assert reason == "the proxy does not let through to `localhost` (HTTP 403)"
        assert hint == "ask who runs it, or reach `localhost` without it: NO_PROXY=localhost"
    else:
        assert reason == "access is refused (HTTP 403)"


@pytest.mark.parametrize(
    ("proxy", "reason", "hint"),
    [
        (
            "http://127.0.0.1:9",
            "tried 5 times: the proxy cannot be reached",
            "check the network, the proxy (HTTPS_PROXY), or name a mirror (MLIMAGE_MIRROR_…)",
        ),
        (
            "socks5://127.0.0.1:9",
            "the proxy speaks SOCKS, which mlimage does not",
            "name one that speaks HTTP: HTTPS_PROXY=http://HOST:PORT",
        ),
        (
            "http://",
            "the URL of the proxy cannot be read",
            "name one that speaks HTTP: HTTPS_PROXY=http://HOST:PORT",
        ),
    ],
)
def test_what_is_no_proxy(
    proxy: str, reason: str, hint: str, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{scheme(web)}_proxy", proxy)
    with client() as http:
        assert fails(http, f"{web.origin}/page") == (reason, hint)


def test_the_authorities_of_pip(pip_conf: Path) -> None:
    pip_conf.write_text(f"[global]\ncert = {CERTIFICATE}\n")
    with web_server(certificate=CERTIFICATE) as web, Http(environ={}) as http:
        web.files["/page"] = b"hello"
        assert http.get(f"{web.origin}/page").body == b"hello"


def test_a_file_that_holds_no_authorities(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("hello\n")
    with web_server(certificate=CERTIFICATE) as web, client(PIP_CERT=f"{tmp_path}/ca.pem") as http:
        assert fails(http, f"{web.origin}/page") == (
            "the file of certificate authorities has none in it",
            "correct PIP_CERT, REQUESTS_CA_BUNDLE, SSL_CERT_FILE or `pip config get global.cert`",
        )


@pytest.mark.parametrize("how", ["PIP_TIMEOUT", "PIP_DEFAULT_TIMEOUT", "pip.conf"])
def test_the_patience_of_pip(how: str, pip_conf: Path) -> None:
    environ = {}
    if how == "pip.conf":
        pip_conf.write_text("[global]\ntimeout = 0.2\n")
    else:
        environ = {how: "0.2"}
    with web_server() as web, client(**environ) as http:
        web.spoil("/page", Fault(hang=True))
        assert fails(http, f"{web.origin}/page")[0] == (
            "tried 2 times: `127.0.0.1` sent nothing for 0.2 seconds"
        )


@pytest.mark.parametrize("text", ["soon", "0", "-1", "inf", "nan"])
def test_what_is_no_patience(text: str) -> None:
    with client(PIP_TIMEOUT=text) as http, pytest.raises(UsageError) as caught:
        http.get("http://127.0.0.1:9/")
    assert str(caught.value) == f"pip's `timeout` is `{text}`, which is no number of seconds"
    assert caught.value.hint == (
        "correct PIP_TIMEOUT, PIP_DEFAULT_TIMEOUT or `pip config get global.timeout`"
    )


def test_a_server_that_does_not_even_accept() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:  # of a full queue the kernel drops who comes
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        with Http(
            retry=Retry(sleep=lambda _: None), connect_timeout=0.2, environ={"PIP_CERT": os.devnull}
        ) as http:
            assert fails(http, f"http://127.0.0.1:{port}/")[0] == (
                "tried 2 times: `127.0.0.1` does not answer within 0.2 seconds"
            )
        for each in waiting:
            each.close()


def test_a_broken_configuration_shows_no_password(pip_conf: Path) -> None:
    pip_conf.write_text("index-url = https://me:hunter2@index.example.com/simple\n")
    with Http(environ={}) as http, pytest.raises(UsageError) as caught:
        http.get("http://127.0.0.1:9/")
    assert str(caught.value).startswith("pip's configuration cannot be read: ")
    assert "hunter2" not in str(caught.value)
