"""The one package index that a resolver sees: a server on this machine that speaks PEP 691, 503 and 658.

It binds packages to indexes, hides their hosts and credentials, and gives the metadata of every wheel: the
resolver has no wheel to download, and no way to anything else. Its URL has a secret part: other users of the
machine cannot read it.
"""

import secrets
import socket
import sys
import threading
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.tags import Tag
from packaging.utils import NormalizedName, canonicalize_name

from mlimage.errors import MlimageError
from mlimage.lock.index import Indexes
from mlimage.lock.metadata import index_only
from mlimage.lock.offer import Offer
from mlimage.lock.pages import HTML_TYPE, JSON_TYPE, as_html, as_json
from mlimage.lock.prefetch import Prefetch
from mlimage.refusals import refusal_of


class SimpleIndex:
    """What the resolver asked for, and what went wrong meanwhile.

    Attributes:
        url: the index's URL, for `--index-url`.
        failures: errors of the real indexes, with the project that was asked for. The resolver only sees that
            a package is not there: when it fails, the first of these is the true reason.
    """

    def __init__(self, offer: Offer, prefetch: Prefetch) -> None:
        self._offer = offer
        self._prefetch = prefetch
        self._lock = threading.Lock()
        self._secret = secrets.token_urlsafe(12)
        self._failures: dict[str, tuple[NormalizedName, MlimageError]] = {}
        self._defects: list[Exception] = []
        self.url = ""

    @property
    def failures(self) -> tuple[tuple[NormalizedName, MlimageError], ...]:
        """Projects and errors of the real indexes, each once, in order."""
        return tuple(self._failures.values())

    def listen(self, address: tuple[str, int]) -> None:
        """Settle the URL."""
        self.url = f"http://{address[0]}:{address[1]}/{self._secret}/simple/"

    def answer(self, path: str, accept: str) -> tuple[str, bytes] | None:
        """Content type and body; None when there is no such thing."""
        parts = [unquote(part) for part in path.strip("/").split("/")]
        try:
            return self._answer(parts, accept)
        except MlimageError as error:
            with self._lock:
                self._failures.setdefault(str(error), (_project_of(parts), error))
        except Exception as error:  # noqa: BLE001 - a thread's defect is raised when the server is closed
            self.fail(error)
        return None

    def fail(self, error: Exception) -> None:
        """Note what kept it from an answer."""
        self._defects.append(error)

    def raise_defect(self) -> None:
        """Raise what no answer should have raised."""
        for defect in self._defects:
            raise defect

    def _answer(self, parts: list[str], accept: str) -> tuple[str, bytes] | None:
        match parts:
            case [self._secret, "simple", project]:
                self._prefetch.want([project])
                files = self._offer.files(project)
                if not files:
                    return None
                return (JSON_TYPE, as_json(files)) if JSON_TYPE in accept else (HTML_TYPE, as_html(files))
            case [self._secret, "files", _, project, wanted]:
                for file in self._offer.files(project):
                    if wanted == f"{file.filename}.metadata":
                        return "application/octet-stream", index_only(self._offer.metadata(file))
        return None


def _project_of(parts: list[str]) -> NormalizedName:
    """Of the path `SECRET/simple/PROJECT` or `SECRET/files/INDEX/PROJECT/FILE`."""
    return canonicalize_name(parts[3] if len(parts) > 3 else parts[-1])


@contextmanager
def serve_simple(
    indexes: Indexes,
    *,
    as_of: datetime | None,
    tags: AbstractSet[Tag],
    python: str,
    expected: Iterable[str] = (),
) -> Iterator[SimpleIndex]:
    """Serve while the block runs.

    Args:
        indexes: the real indexes.
        as_of: nothing that came later is offered.
        tags: what the target's interpreter takes; nothing else is offered.
        python: its version.
        expected: projects that will be asked for first.
    """
    with ExitStack() as stack:
        offer = Offer(indexes, as_of=as_of, tags=tags, python=python)
        prefetch = stack.enter_context(Prefetch(offer))
        prefetch.want(expected)
        index = SimpleIndex(offer, prefetch)
        server = stack.enter_context(_Server(index))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield index
        finally:
            server.shutdown()
            server.hang_up()
            thread.join()
    index.raise_defect()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, index: SimpleIndex) -> None:
        self.index = index
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)
        index.listen(("127.0.0.1", self.server_port))

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing where the resolver hung up; that this machine starts no thread for it is to be said."""
        del request, client_address
        error = sys.exception()
        if isinstance(error, Exception) and refusal_of(error):
            self.index.fail(error)

    def hang_up(self) -> None:
        """End the connections that the resolver keeps open."""
        for request in tuple(self._open):
            with suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    # Without these, headers and body go out as two packets, and an answer waits 40 ms for an acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        answer = self.server.index.answer(urlsplit(self.path).path, self.headers.get("Accept", ""))
        if answer is None:
            self._send(HTTPStatus.NOT_FOUND, "text/plain", b"")
        else:
            self._send(HTTPStatus.OK, *answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _send(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self._head(status, content_type, len(body))
        self.wfile.write(body)

    def _head(self, status: HTTPStatus, content_type: str, length: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(length))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
