import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlimage.errors import FetchError
from mlimage.fetch import Http, Retry
from support.webserver import Fault, WebServer, web_server

# Made for these tests alone, for the name `localhost`; nobody trusts it who is not told to.
CERTIFICATE = Path(__file__).parents[2] / "support" / "localhost.pem"


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server(certificate=CERTIFICATE) as server:
        server.files["/page"] = b"hello"
        yield server


@pytest.fixture(autouse=True)
def _no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)


def http(**environ: str) -> Http:
    return Http(retry=Retry(attempts=2, sleep=lambda _: None), environ=environ)


@pytest.mark.parametrize("name", ["PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_an_authority_that_is_named_is_trusted(name: str, web: WebServer) -> None:
    with http(**{name: str(CERTIFICATE)}) as client:
        assert client.get(f"{web.origin}/page").body == b"hello"


@pytest.mark.parametrize("authorities", ["named", "default"])
def test_others_are_not_trusted(authorities: str, web: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    environ = {}
    if authorities == "named":
        import certifi

        environ = {"PIP_CERT": certifi.where()}
    with http(**environ) as client, pytest.raises(FetchError) as caught:
        client.get(f"{web.origin}/page")
    assert str(caught.value) == (
        f"`{web.origin}/page` cannot be fetched: "
        "the certificate of `localhost` is not trusted (self-signed certificate)"
    )
    assert caught.value.hint == (
        "if your network has its own CA, set REQUESTS_CA_BUNDLE, or `pip config set global.cert FILE`"
    )
    assert web.requests == []


def test_a_redirect_out_of_tls_is_refused(web: WebServer) -> None:
    with web_server() as plain, http(PIP_CERT=str(CERTIFICATE)) as client:
        plain.files["/page"] = b"changed on the way"
        web.spoil("/moved", Fault(status=302, headers={"Location": f"{plain.origin}/page"}))
        with pytest.raises(FetchError) as caught:
            client.get(f"{web.origin}/moved")
    assert str(caught.value) == (
        f"`{web.origin}/moved` cannot be fetched: it redirects to a place without encryption"
    )
