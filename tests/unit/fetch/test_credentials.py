"""Where logins come from, where they go, and what is said when they do not help."""

import base64
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from mlimage.errors import FetchError
from mlimage.fetch import Http, Keyring, RefusedError, Retry
from support.keyrings import FakeKeyring
from support.webserver import Fault, WebServer, web_server


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


NEEDS = basic("me", "hunter2")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("NETRC", raising=False)
    return tmp_path


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server(needs=NEEDS) as server:
        server.files["/simple/lib/"] = b"page"
        server.files["/files/lib.whl"] = b"wheel"
        yield server


def client(environ: Mapping[str, str] | None = None) -> Http:
    retry = Retry(attempts=2, sleep=lambda _: None)
    return Http(retry=retry, environ=environ or {}, keyring=Keyring(environ or {}))


def as_user(url: str, user: str) -> str:
    return url.replace("//", f"//{user}@")


def refused(http: Http, url: str, *, known_as: str | None = None) -> tuple[str, str | None]:
    with pytest.raises(RefusedError) as caught:
        http.get(url, known_as=known_as)
    assert "hunter2" not in f"{caught.value}{caught.value.hint}"
    return str(caught.value).partition(" cannot be fetched: ")[2], caught.value.hint


def test_netrc_by_host(web: WebServer, home: Path) -> None:
    (home / ".netrc").write_text("machine 127.0.0.1 login me password hunter2\n")
    with client() as http:
        assert http.get(f"{web.origin}/files/lib.whl").body == b"wheel"
    assert [request.headers["Authorization"] for request in web.requests] == [NEEDS]


def test_netrc_elsewhere(web: WebServer, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "other").write_text("machine 127.0.0.1 login me password hunter2\n")
    monkeypatch.setenv("NETRC", str(home / "other"))
    with client() as http:
        assert http.get(f"{web.origin}/files/lib.whl").body == b"wheel"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (
            "machine 127.0.0.1 login me passwort hunter2\n",
            "correct `{home}/.netrc`, which cannot be read from line 1 on",
        ),
        (
            "machine example.com login me password hunter2\n",
            "write `machine 127.0.0.1 login NAME password PASSWORD` into ~/.netrc",
        ),
    ],
)
def test_a_netrc_that_does_not_help(text: str, hint: str, web: WebServer, home: Path) -> None:
    (home / ".netrc").write_text(text)
    with client() as http:
        reason, said = refused(http, f"{web.origin}/simple/lib/")
    assert reason == "a login is asked for (HTTP 401)"
    assert said == hint.format(home=home)


def test_a_netrc_that_is_no_text(web: WebServer, home: Path) -> None:
    (home / ".netrc").write_bytes(b"\xff\xfe")
    with client() as http, pytest.raises(FetchError) as caught:
        http.get(f"{web.origin}/simple/lib/")
    assert str(caught.value) == f"`{web.origin}/simple/lib/` cannot be fetched: `~/.netrc` is no text"
    assert caught.value.hint == "write it in UTF-8, or name another file in NETRC"


@pytest.mark.parametrize("source", ["`~/.netrc`", "its URL", "the keyring"])
@pytest.mark.parametrize("status", [401, 403])
def test_a_login_that_is_refused(source: str, status: int, web: WebServer, home: Path) -> None:
    url, environ = f"{web.origin}/simple/lib/", {}
    if source == "`~/.netrc`":
        (home / ".netrc").write_text("machine 127.0.0.1 login you password hunter2\n")
    elif source == "its URL":
        url = as_user(url, "you:hunter2")
    else:
        keyring = FakeKeyring(home / "bin", {f"--mode creds get {host(web)}": "you\nhunter2\n"})
        environ = {"PATH": keyring.path}
    if status == 403:
        web.needs = basic("you", "hunter2")
        if source == "the keyring":  # which is asked after a 401
            web.spoil("/simple/", Fault(status=401), times=1)
            web.spoil("/simple/", Fault(status=403), times=9)
        else:
            web.spoil("/simple/", Fault(status=403))
    with client(environ) as http:
        reason, hint = refused(http, url)
    assert reason == {401: "the login is refused (HTTP 401)", 403: "access is refused (HTTP 403)"}[status]
    assert hint == f"is it still valid, and may it read this? it is that of {source}"


def host(web: WebServer) -> str:
    return web.origin.partition("//")[2]


@pytest.mark.parametrize(
    ("asked", "said", "user"),
    [
        ("--mode creds get {index}", "me\nhunter2\n", ""),
        ("--mode creds get {host}", "me\nhunter2\n", ""),
        ("get {index} me", "hunter2\n", "me"),
        ("get {host} me", "hunter2\n", "me"),
    ],
)
def test_the_keyring(asked: str, said: str, user: str, web: WebServer, home: Path) -> None:
    index = web.index
    keyring = FakeKeyring(home / "bin", {asked.format(index=index, host=host(web)): said})
    place = as_user(index, user) if user else index
    with client({"PATH": keyring.path}) as http:
        assert http.get(f"{place}/lib/", known_as=place).status == 404  # it is in, and there is no such page
        assert http.get(f"{web.origin}/files/lib.whl").body == b"wheel"
    want = [text.format(index=index, host=host(web)) for text in ("--mode creds get {index}", asked)]
    assert (
        keyring.asked == ([f"get {index} me", *want[1:]] if user else want)[-2 if "{host}" in asked else -1 :]
    )
    assert [request.headers.get("Authorization") for request in web.requests][-2:] == [NEEDS, NEEDS]


def test_the_keyring_is_asked_once_for_all_threads(web: WebServer, home: Path) -> None:
    keyring = FakeKeyring(home / "bin", {f"--mode creds get {web.index}": "me\nhunter2\n"})
    with client({"PATH": keyring.path}) as http:
        threads = [
            threading.Thread(target=http.get, args=(f"{web.index}/{name}/",), kwargs={"known_as": web.index})
            for name in "abcdefgh"
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert keyring.asked == [f"--mode creds get {web.index}"]
    assert [request.headers.get("Authorization") for request in web.requests].count(NEEDS) == 8


def test_a_keyring_that_knows_nothing_is_asked_once(web: WebServer, home: Path) -> None:
    keyring = FakeKeyring(home / "bin", {})
    with client({"PATH": keyring.path}) as http:
        for _ in range(2):
            reason, hint = refused(http, f"{web.index}/lib/", known_as=web.index)
            assert reason == "a login is asked for (HTTP 401)"
            assert hint == (
                "write `machine 127.0.0.1 login NAME password PASSWORD` into ~/.netrc, "
                "or `keyring set 127.0.0.1 NAME`"
            )
    assert keyring.asked == [f"--mode creds get {web.index}", f"--mode creds get {host(web)}"]


@pytest.mark.parametrize("said", ["", "hunter2\n", "me\nhunter2\nmore\n"])
def test_a_keyring_that_says_something_odd(said: str, web: WebServer, home: Path) -> None:
    keyring = FakeKeyring(home / "bin", {f"--mode creds get {host(web)}": said})
    with client({"PATH": keyring.path}) as http:
        assert refused(http, f"{web.origin}/simple/lib/")[0] == "a login is asked for (HTTP 401)"


def test_a_keyring_that_pip_is_not_to_ask(web: WebServer, home: Path) -> None:
    keyring = FakeKeyring(home / "bin", {f"--mode creds get {host(web)}": "me\nhunter2\n"})
    with client({"PATH": keyring.path, "PIP_KEYRING_PROVIDER": "disabled"}) as http:
        _, hint = refused(http, f"{web.origin}/simple/lib/")
    assert (keyring.asked, hint) == (
        [],
        "write `machine 127.0.0.1 login NAME password PASSWORD` into ~/.netrc",
    )


def test_a_keyring_is_not_asked_without_encryption(
    web: WebServer, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", web.origin)
    keyring = FakeKeyring(home / "bin", {"--mode creds get index.example.com": "me\nhunter2\n"})
    with client({"PATH": keyring.path}) as http:
        refused(http, "http://index.example.com/simple/lib/")
    assert keyring.asked == []
    assert [request.headers.get("Authorization") for request in web.requests] == [None]


def test_another_server_gets_no_login(web: WebServer, home: Path) -> None:
    keyring = FakeKeyring(home / "bin", {f"--mode creds get {web.index}": "me\nhunter2\n"})
    with web_server(needs="Basic other") as other, client({"PATH": keyring.path}) as http:
        target = other.origin.replace("127.0.0.1", "localhost")
        web.spoil("/simple/moved", Fault(status=302, headers={"Location": f"{target}/x"}))
        with pytest.raises(FetchError):
            http.get(f"{web.index}/lib/", known_as=web.index, judged=frozenset())
        refused(http, f"{web.index}/moved/", known_as=web.index)
        assert [request.headers.get("Authorization") for request in other.requests] == [None]
    assert keyring.asked[1:] == [f"--mode creds get {target.partition('//')[2]}"]


def test_indexes_of_one_server_have_a_login_each() -> None:
    with web_server() as web, client() as http:
        for name in ("one", "two"):
            web.files[f"/{name}/simple/lib/"] = web.files[f"/{name}/files/lib.whl"] = name.encode()
            assert http.get(as_user(f"{web.origin}/{name}/simple/lib/", f"{name}:hunter2")).status == 200
        for name in ("one", "two"):
            assert http.get(f"{web.origin}/{name}/files/lib.whl").body == name.encode()
        sent = [(request.path, request.headers["Authorization"]) for request in web.requests]
    assert sent[2:] == [(f"/{name}/files/lib.whl", basic(name, "hunter2")) for name in ("one", "two")]
