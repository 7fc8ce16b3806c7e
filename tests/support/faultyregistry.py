"""A registry on loopback that takes pushes, and fails as registries and networks do, by a seed."""

import hashlib
import json
import random
import re
import socket
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, urlencode, urlsplit

from support.webserver import WebServer

Fault = Literal[
    "cut", "late", "status", "lost", "expired", "slow down", "other digest", "short", "corrupt", "length",
    "elsewhere", "drip",
]  # fmt: skip
"""What happens to a request: the connection breaks while it is read, or after it was obeyed; the registry is
overloaded; it forgets the upload; the token runs out; it wants to be left alone for a moment; it stores
something else than was sent, which no registry may; a blob ends in the middle, has a wrong bit, is said to
have another length, or is at another host; a body comes, or is taken, a byte now and then."""

_PAUSE = 0.05
"""Seconds from one byte to the next of what drips."""

_INDEX = "application/vnd.oci.image.index.v1+json"
_BLOB = re.compile(r"/v2/(?P<name>.+)/blobs/(?P<digest>sha256:[0-9a-f]{64})\Z")
_UPLOADS = re.compile(r"/v2/(?P<name>.+)/blobs/uploads/(?P<upload>[0-9a-f-]*)\Z")
_MANIFEST = re.compile(r"/v2/(?P<name>.+)/manifests/(?P<selector>[^/]+)\Z")
_REFERRERS = re.compile(r"/v2/(?P<name>.+)/referrers/(?P<digest>sha256:[0-9a-f]{64})\Z")


@dataclass(kw_only=True)
class FaultyRegistry:
    """Repositories in memory.

    Attributes:
        seed: decides which requests fail, and how.
        rate: of each request to fail.
        faults: those that may happen.
        needs_token: whether it answers nobody without one.
        referrers: entries of a page of its API for referrers; None where it has no such API.
        blobs: by repository and digest.
        manifests: by repository and selector: media type and content.
        happened: how often each fault did.
        coming: faults of single requests, by method and a part of the path; the first that fits counts, once.
        elsewhere: the other host that has blobs.
        uploads_at: where uploads are sent to, `http://HOST:PORT`; it is to lead here, too.
        asked: as which host it was asked, and with which `Authorization`.
    """

    seed: int = 0
    rate: float = 0.0
    faults: Sequence[Fault] = ("cut", "late", "status", "lost", "expired", "slow down")
    needs_token: bool = False
    referrers: int | None = None
    blobs: dict[tuple[str, str], bytes] = field(default_factory=dict)
    manifests: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    happened: Counter[str] = field(default_factory=Counter)
    coming: list[tuple[str, str, Fault]] = field(default_factory=list)
    elsewhere: WebServer | None = None
    uploads_at: str = ""
    requests: list[tuple[str, str]] = field(default_factory=list)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    host: str = ""
    _uploads: dict[str, bytearray] = field(default_factory=dict)
    _tokens: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - to be repeatable

    def reseed(self, seed: int, *, rate: float, needs_token: bool) -> None:
        """Fail in another way from now on."""
        self._random.seed(seed)
        self.rate, self.needs_token = rate, needs_token

    def draw(self, method: str, path: str) -> tuple[Fault | None, float]:
        """What happens to the next request, and where in it."""
        with self._lock:
            for number, (wanted, part, fault) in enumerate(self.coming):
                if wanted == method and part in path:
                    del self.coming[number]
                    self.happened[fault] += 1
                    return fault, 0.5
            if self._random.random() >= self.rate:
                return None, 0.0
            fault = self._random.choice(self.faults)
            self.happened[fault] += 1
            return fault, self._random.random()


@contextmanager
def faulty_registry(**settings: Any) -> Iterator[FaultyRegistry]:
    """Serve while the block runs; `settings` as the fields of `FaultyRegistry`."""
    registry = FaultyRegistry(**settings)

    class Handler(_Handler):
        held = registry

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        registry.host = f"127.0.0.1:{listener.server_port}"
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield registry
        finally:
            listener.shutdown()
            thread.join()


class _BrokenError(Exception):
    """The connection is to break now."""


class _Handler(BaseHTTPRequestHandler):
    held: FaultyRegistry
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 20

    def log_message(self, *_: object) -> None:
        pass

    def handle(self) -> None:
        with suppress(ConnectionResetError):  # by a client that has heard enough
            super().handle()

    def __getattr__(self, name: str) -> Any:
        """Every method that HTTP has."""
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        held = self.held
        self._length = int(self.headers.get("Content-Length", 0))
        with held._lock:
            held.requests.append((self.command, self.path))
            held.asked.append((self.headers["Host"], self.headers.get("Authorization")))
        if self.path.startswith("/token"):
            token = uuid.uuid4().hex
            held._tokens.add(token)
            self._answer(200, {}, json.dumps({"token": token}).encode())
            return
        self._fault, self._where = held.draw(self.command, self.path)
        try:
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            if held.needs_token and self.headers["Host"] == held.host and token not in held._tokens:
                self._read()
                self._unauthorized()
            elif self._fault == "expired" and held.needs_token:
                held._tokens.discard(token)
                self._read()
                self._unauthorized()
            elif self._fault == "status":
                self._read()
                self._answer([500, 502, 503, 504][int(self._where * 4)], {}, b"")
            elif self._fault == "slow down":
                self._read()
                self._answer(429, {"Retry-After": "0"}, b"")
            else:
                self._obey()
        except (_BrokenError, OSError):
            self.close_connection = True
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

    def _unauthorized(self) -> None:
        realm = f"http://{self.held.host}/token"
        self._answer(401, {"WWW-Authenticate": f'Bearer realm="{realm}",service="r"'}, b"")

    def _read(self, into: bytearray | None = None) -> bytes:
        """The body; of one whose connection breaks, what came until then stays."""
        content = bytearray() if into is None else into
        left = self._length
        stop = int(left * self._where) if self._fault == "cut" else None
        while left:
            if self._fault == "drip":
                time.sleep(_PAUSE)
            piece = self.rfile.read(1 if self._fault == "drip" else min(left, 4096))
            if not piece:
                raise _BrokenError
            content += piece
            left -= len(piece)
            if stop is not None and self._length - left >= stop:
                raise _BrokenError
        if stop is not None:
            raise _BrokenError
        return bytes(content)

    def _obey(self) -> None:
        held, parts = self.held, urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        if found := _UPLOADS.match(parts.path):
            self._upload(found["name"], found["upload"], query)
        elif found := _BLOB.match(parts.path):
            self._read()
            content = held.blobs.get((found["name"], found["digest"]))
            if content is None:
                self._answer(404, {}, b"")
            elif self._fault == "elsewhere" and self.command == "GET" and held.elsewhere:
                held.elsewhere.files[f"/blobs/{found['digest']}"] = content
                place = f"{held.elsewhere.origin}/blobs/{found['digest']}?signature=x"
                self._answer(307, {"Location": place}, b"")
            else:
                self._send_blob(content)
        elif found := _MANIFEST.match(parts.path):
            self._manifest(found["name"], found["selector"])
        elif held.referrers and (found := _REFERRERS.match(parts.path)):
            self._read()
            self._list(found["name"], found["digest"], query, held.referrers)
        else:
            self._read()
            self._answer(404, {}, b"")

    def _send_blob(self, content: bytes) -> None:
        """A blob, or what is asked for of it; it may be damaged, or too short, or end in the middle."""
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        headers = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if asked else {}
        body = content[start:]
        at = int(len(body) * self._where)
        if self._fault == "corrupt" and body:
            body = body[:at] + bytes([body[min(at, len(body) - 1)] ^ 1]) + body[at + 1 :]
        cut = at if self._fault == "short" else None
        if self._fault == "length" and body:  # more than there is, or less
            body, cut = (body + bytes(at + 1), len(body)) if self._where < 0.5 else (body[:at], None)
        self._answer(206 if asked else 200, headers, body, cut=cut)

    def _upload(self, name: str, upload: str, query: dict[str, str]) -> None:
        held = self.held
        if self._fault == "lost":
            held._uploads.pop(upload, None)
        if self.command == "POST":
            self._read()
            source = (query.get("from", ""), query.get("mount", ""))
            if source in held.blobs:
                held.blobs[name, source[1]] = held.blobs[source]
                self._answer(201, {}, b"")
                return
            made = str(uuid.uuid4())
            held._uploads[made] = bytearray()
            self._answer(202, {"Location": f"{held.uploads_at}/v2/{name}/blobs/uploads/{made}"}, b"")
            return
        content = held._uploads.get(upload)
        if content is None:
            self._read()
            self._answer(404, {}, _errors("blob upload unknown"))
            return
        place = {"Location": f"{held.uploads_at}/v2/{name}/blobs/uploads/{upload}?state={uuid.uuid4().hex}"}
        if self.command == "GET":
            self._read()
            self._answer(204, {**place, "Range": f"0-{max(0, len(content) - 1)}"}, b"")
        elif self.command == "DELETE":
            self._read()
            del held._uploads[upload]
            self._answer(204, {}, b"")
        elif self.command == "PATCH":
            start = self.headers.get("Content-Range", f"{len(content)}-").partition("-")[0]
            if int(start) != len(content):
                self._read()
                self._answer(416, place, b"")
                return
            self._read(content)
            self._answer(202, {**place, "Range": f"0-{len(content) - 1}"}, b"")
        else:
            self._read(content)
            if f"sha256:{hashlib.sha256(content).hexdigest()}" != query.get("digest"):
                self._answer(400, {}, _errors("provided digest did not match uploaded content"))
                return
            held.blobs[name, query["digest"]] = bytes(content)
            held._uploads.pop(upload, None)
            self._answer(201, {}, b"")

    def _manifest(self, name: str, selector: str) -> None:
        held = self.held
        content = self._read()
        if self.command == "PUT":
            stored = content + b" " if self._fault == "other digest" else content
            digest = f"sha256:{hashlib.sha256(stored).hexdigest()}"
            missing = [
                each["digest"]
                for each in (json.loads(content).get("layers") or [])
                if (name, each["digest"]) not in held.blobs
            ]
            if missing:
                self._answer(404, {}, _errors("blob unknown to registry"))
                return
            for key in (selector, digest):
                held.manifests[name, key] = (self.headers["Content-Type"], stored)
            subject = json.loads(content).get("subject")
            said = {"OCI-Subject": subject["digest"]} if subject and held.referrers else {}
            self._answer(201, {"Docker-Content-Digest": digest, **said}, b"")
            return
        found = held.manifests.get((name, selector))
        if found is None:
            self._answer(404, {}, b"")
            return
        digest = f"sha256:{hashlib.sha256(found[1]).hexdigest()}"
        self._answer(200, {"Content-Type": found[0], "Docker-Content-Digest": digest}, found[1])

    def _list(self, name: str, subject: str, query: dict[str, str], most: int) -> None:
        """A page of what refers to a manifest; `last` is the digest of the one before it."""
        entries = []
        for (repository, selector), (media_type, content) in sorted(self.held.manifests.items()):
            document = json.loads(content)
            if (
                repository == name
                and selector.startswith("sha256:")
                and (document.get("subject") or {}).get("digest") == subject
                and query.get("artifactType") in {None, document.get("artifactType")}
                and selector > query.get("last", "")
            ):
                entries.append(
                    {
                        "mediaType": media_type,
                        "digest": selector,
                        "size": len(content),
                        "artifactType": document.get("artifactType"),
                        "annotations": document.get("annotations", {}),
                    }
                )
        page = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": entries[:most]}
        headers = {"Content-Type": _INDEX}
        if len(entries) > most:
            following = urlencode({**query, "last": entries[most - 1]["digest"]})
            headers["Link"] = f'</v2/{name}/referrers/{subject}?{following}>; rel="next"'
        self._answer(200, headers, json.dumps(page).encode())

    def _answer(self, status: int, headers: dict[str, str], body: bytes, *, cut: int | None = None) -> None:
        if getattr(self, "_fault", None) == "late":
            raise _BrokenError
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and getattr(self, "_fault", None) == "drip":
            for byte in body:
                self.wfile.write(bytes([byte]))
                time.sleep(_PAUSE)
        elif self.command != "HEAD":
            self.wfile.write(body[:cut])
        if cut is not None:
            raise _BrokenError


def _errors(message: str) -> bytes:
    return json.dumps({"errors": [{"code": "X", "message": message}]}).encode()
