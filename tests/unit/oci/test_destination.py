"""What a registry answers that takes nothing more is its own word: status 9, and nothing about mirrors."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from mlimage.digest import Digest
from mlimage.errors import MlimageError, RegistryError
from mlimage.fetch import Http, Retry, UnreachableError
from mlimage.oci.destination import Destination
from mlimage.oci.model import LAYER, MANIFEST, Descriptor
from mlimage.progress import NOTHING
from support.pushing import destination

CONTENT = b"layer"
BLOB = Descriptor(media_type=LAYER, digest=Digest.of(CONTENT), size=len(CONTENT))
FULL = "its disk may be full: ask its operator, and push again"


@contextmanager
def registry(refused: str, status: int) -> Iterator[str]:
    """Answers one method with a status, and the others as if all was well; gives its host and port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def __getattr__(self, name: str) -> Any:
            if name.startswith("do_"):
                return self._serve
            raise AttributeError(name)

        def _serve(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fine = {"HEAD": 404, "GET": 404, "POST": 202, "PUT": 201}
            self.send_response(status if self.command == refused else fine[self.command])
            self.send_header("Location", "/v2/team/demo/blobs/uploads/1")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def refusal(of: str, status: int, *, manifest: bool = False) -> tuple[str, MlimageError]:
    retry = Retry(attempts=2, sleep=lambda _: None)
    with registry(of, status) as host, Http(retry=retry, read_timeout=5) as http:
        to: Destination = destination(host, http)
        try:
            if manifest:
                to.put_manifest(b"{}", MANIFEST, "latest")
            else:
                to.upload(BLOB, lambda: io.BytesIO(CONTENT), NOTHING)
        except MlimageError as error:
            return host, error
    raise AssertionError("nothing was refused")


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize(
    ("status", "said", "hint"),
    [
        (507, "`{host}` has no space left for `team/demo@{digest}` (HTTP 507)", FULL),
        (500, "`{host}` fails at `team/demo@{digest}` (HTTP 500)", FULL),
        (503, "`{host}` fails at `team/demo@{digest}` (HTTP 503)", FULL),
        (
            413,
            "`team/demo@{digest}` is too large for `{host}` (HTTP 413)",
            "it, or a proxy in front of it, limits the size of uploads: ask its operator to raise the limit",
        ),
    ],
)
def test_a_registry_that_takes_no_more(method: str, status: int, said: str, hint: str) -> None:
    host, error = refusal(method, status)
    assert isinstance(error, RegistryError)
    assert (str(error), error.hint) == (said.format(host=host, digest=BLOB.digest), hint)
    assert error.exit_status == 9


def test_a_manifest_that_finds_no_room() -> None:
    host, error = refusal("PUT", 507, manifest=True)
    assert str(error) == f"`{host}` has no space left for `team/demo:latest` (HTTP 507)"
    assert error.exit_status == 9


def test_what_a_registry_cannot_tell_of_is_sent() -> None:
    with registry("HEAD", 500) as host, Http(retry=Retry(attempts=2, sleep=lambda _: None)) as http:
        to = destination(host, http)
        assert not to.has(BLOB)
        to.upload(BLOB, lambda: io.BytesIO(CONTENT), NOTHING)
        assert to.has(BLOB)


def test_one_that_does_not_answer_is_not_reached() -> None:
    with Http(retry=Retry(attempts=1, sleep=lambda _: None), read_timeout=5) as http:
        with registry("HEAD", 404) as host:
            to = destination(host, http)
        with pytest.raises(UnreachableError):
            to.has(BLOB)
