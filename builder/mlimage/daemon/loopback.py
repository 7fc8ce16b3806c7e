"""A read-only registry of one image on this machine's loopback: an engine fetches from it what it lacks."""

import re
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from mlimage.errors import BuildError
from mlimage.oci.archive import image_blobs
from mlimage.oci.model import Descriptor, SealedImage
from mlimage.oci.store import Store

LOOPBACK: Final = "127.0.0.1"
"""Engines speak plain HTTP to this network, and only to it, without being told."""
_PIECE: Final = 1 << 20
_TLS_HANDSHAKE: Final = b"\x16"
_PATIENCE: Final = 60.0
"""Seconds that a connection may lie still: an engine unpacks between two requests."""


@dataclass(slots=True)
class Served:
    """What went over a registry that serves now, or has served.

    Attributes:
        repository: `127.0.0.1:PORT/SECRET`; who does not know it gets nothing.
        reference: the image there, by digest.
        asked: how many requests for the image came.
        moved: bytes of blobs that were sent.
        failure: what is wrong with the store, when a blob was not what its digest says.
    """

    repository: str
    reference: str
    advance: Callable[[int], None]
    asked: int = 0
    moved: int = 0
    failure: BuildError | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, *, asked: int = 0, moved: int = 0) -> None:
        """Several threads serve."""
        with self._lock:
            self.asked += asked
            self.moved += moved
        if moved:
            self.advance(moved)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # an engine that was interrupted may hold its connections

    def __init__(self, image: SealedImage, store: Store, advance: Callable[[int], None]) -> None:
        super().__init__((LOOPBACK, 0), _Handler)
        secret = secrets.token_hex(16)
        repository = f"{LOOPBACK}:{self.server_port}/{secret}"
        self.store = store
        self.served = Served(repository=repository, reference=f"{repository}@{image.digest}", advance=advance)
        self.places = {
            f"/v2/{secret}/{'manifests' if blob is image.manifest else 'blobs'}/{blob.digest}": blob
            for blob in image_blobs(image)
        }
        self.names = {layer.blob.digest: layer.name for layer in image.layers}
        self.over = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing to show: an engine hung up, and says why itself."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = _PATIENCE

    def handle(self) -> None:
        # Engines try TLS first, and fall back when an answer in HTTP comes.
        if self.connection.recv(1, socket.MSG_PEEK) == _TLS_HANDSHAKE:
            self.connection.recv(_PIECE)
            self.wfile.write(b"HTTP/1.0 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        else:
            super().handle()

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, *, body: bool) -> None:
        blob = self.server.places.get(self.path.partition("?")[0])
        if blob is None:
            self._head(HTTPStatus.OK if self.path == "/v2/" else HTTPStatus.NOT_FOUND, 0)
            return
        self.server.served.count(asked=1)
        start, end = part(self.headers.get("Range"), blob.size) if body else (0, blob.size)
        whole = (start, end) == (0, blob.size)
        self.send_response(HTTPStatus.OK if whole else HTTPStatus.PARTIAL_CONTENT)
        if not whole:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{blob.size}")
        self.send_header("Content-Type", blob.media_type)
        self.send_header("Docker-Content-Digest", blob.digest)
        self.send_header("Content-Length", str(end - start))
        self.end_headers()
        if body:
            self._send(blob, start, end)

    def _head(self, status: HTTPStatus, size: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(size))
        self.end_headers()

    def _send(self, blob: Descriptor, start: int, end: int) -> None:
        try:
            name = self.server.names.get(blob.digest)
            for piece in verified_part(blob, self.server.store, start, end, name=name):
                if self.server.over.is_set():
                    self.close_connection = True
                    return
                self.wfile.write(piece)
                self.server.served.count(moved=len(piece))
        except BuildError as error:
            # An engine asks again, and then what was damaged is not there any more.
            self.server.served.failure = self.server.served.failure or error
            self.close_connection = True  # before the announced length: nobody takes it for whole


def part(header: str | None, size: int) -> tuple[int, int]:
    """First byte, and the one behind the last, of a `Range` with one range; else all (RFC 9110, 14.2)."""
    found = re.fullmatch(r"bytes=(\d+)-(\d*)", header or "")
    if found is None:
        return 0, size
    start, end = int(found[1]), min(int(found[2]) + 1, size) if found[2] else size
    return (start, end) if start < end else (0, size)


def verified_part(
    blob: Descriptor, store: Store, start: int, end: int, *, name: str | None = None
) -> Iterator[bytes]:
    """These bytes of a blob; the last piece comes only when the whole blob is what its digest says.

    Raises:
        BuildError: the store lacks it, or it is damaged.
    """
    place, held = 0, b""
    with store.open(blob, name=name) as stream:
        while piece := stream.read(_PIECE):
            wanted = piece[max(start - place, 0) : max(end - place, 0)]
            place += len(piece)
            if wanted:
                if held:
                    yield held
                held = wanted
    yield held


@contextmanager
def serving(
    image: SealedImage, store: Store, *, advance: Callable[[int], None] = lambda _: None
) -> Iterator[Served]:
    """Serve the image while the block runs.

    Args:
        image: the one that is served.
        store: has its blobs.
        advance: is told bytes that were sent; called on several threads.

    Raises:
        OSError: no port of the loopback is free.
    """
    with _Server(image, store, advance) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server.served
        finally:
            server.over.set()
            with suppress(OSError):
                server.shutdown()
            thread.join()
