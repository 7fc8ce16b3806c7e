"""A real web server on loopback whose answers can be spoiled: the indexes and mirrors of the tests."""

import hashlib
import html
import json
import re
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, unquote, urlsplit

from packaging.utils import canonicalize_name

Ranges = Literal["yes", "ignored", "refused"]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """How an answer is spoiled; the first of these that is set counts.

    Attributes:
        hang: hold the answer back until the server is closed.
        status: answer with this status, `headers` and `body`.
        body: with no status: these bytes instead of the right ones.
        cut: send the right headers, but break the connection after so many bytes of the body.
    """

    hang: bool = False
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    cut: int | None = None


LOGIN_PAGE = Fault(
    status=200,
    headers={"Content-Type": "text/html"},
    body=b"<!doctype html><title>Sign in</title><form method=post><input name=user></form>",
)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What somebody asked for; header names as they came."""

    path: str
    headers: Mapping[str, str]
    query: str = ""
    body: bytes = b""


@dataclass(kw_only=True)
class Offered:
    """A file and what its project page says about it."""

    content: bytes
    hashed: bool = True
    claimed_sha256: str | None = None
    yanked: str | None = None
    requires_python: str | None = None
    upload_time: str | None = None
    metadata: bytes | None = None
    metadata_sha256: str | None = None

    @property
    def sha256(self) -> str:
        return self.claimed_sha256 or hashlib.sha256(self.content).hexdigest()


@dataclass(kw_only=True)
class WebServer:
    """Plain files by path and package index pages by project.

    Attributes:
        style: whether project pages are JSON (for who asks for it) or HTML.
        ranges: what it makes of the `Range` header.
        etags: whether it sends a strong validator.
        needs: the `Authorization` header without which it answers 401.
        challenge: what it says then.
        free: how paths begin that need none.
        certificate: a file with certificate and key for `localhost`, when it is to speak TLS.
        requests: what it was asked, in order.
    """

    style: Literal["json", "html"] = "json"
    ranges: Ranges = "yes"
    etags: bool = True
    needs: str | None = None
    challenge: str = "Basic"
    free: str | None = None
    certificate: Path | None = None
    requests: list[Request] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    projects: dict[str, dict[str, Offered]] = field(default_factory=dict)
    origin: str = ""
    _faults: list[tuple[re.Pattern[str], Fault, list[int]]] = field(default_factory=list)
    _closing: threading.Event = field(default_factory=threading.Event)

    @property
    def index(self) -> str:
        """URL of the package index."""
        return f"{self.origin}/simple"

    def offer(self, project: str, filename: str, content: bytes, **says: Any) -> Offered:
        """Put a file on a project's page; `says` as the fields of `Offered`."""
        offered = Offered(content=content, **says)
        self.projects.setdefault(canonicalize_name(project), {})[filename] = offered
        self.files[f"/files/{filename}"] = content
        if offered.metadata is not None:
            self.files[f"/files/{filename}.metadata"] = offered.metadata
        return offered

    def spoil(self, path: str, fault: Fault, *, times: int = 1_000_000) -> None:
        """Spoil the next answers for paths in which the regular expression is found."""
        self._faults.append((re.compile(path), fault, [times]))

    def mend(self) -> None:
        """Forget all faults."""
        self._faults.clear()

    def paths(self) -> list[str]:
        """The paths that were asked for."""
        return [request.path for request in self.requests]

    def fault(self, path: str) -> Fault | None:
        for pattern, fault, left in self._faults:
            if left[0] > 0 and pattern.search(path):
                left[0] -= 1
                return fault
        return None

    def page(self, project: str, accept: str) -> tuple[str, bytes] | None:
        if project not in self.projects:
            return None
        if self.style == "json" and "application/vnd.pypi.simple.v1+json" in accept:
            return "application/vnd.pypi.simple.v1+json", _json_page(project, self.projects[project])
        return "text/html; charset=utf-8", _html_page(self.projects[project])

    def wait_for_close(self) -> None:
        self._closing.wait(60)


@contextmanager
def web_server(**settings: Any) -> Iterator[WebServer]:
    """Serve while the block runs; `settings` as the fields of `WebServer`."""
    web = WebServer(**settings)
    with _Listener(web) as listener:
        web.origin = f"http://127.0.0.1:{listener.server_port}"
        if web.certificate is not None:
            web.origin = f"https://localhost:{listener.server_port}"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(web.certificate)
            listener.socket = context.wrap_socket(listener.socket, server_side=True)
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield web
        finally:
            web._closing.set()
            listener.shutdown()
            listener.hang_up()
            thread.join()


class _Listener(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 64

    def __init__(self, web: WebServer) -> None:
        self.web = web
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass

    def hang_up(self) -> None:
        for request in tuple(self._open):
            with suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    server: _Listener
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        web = self.server.web
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        web.requests.append(Request(path=path, headers=dict(self.headers), query=parts.query, body=body))
        fault = web.fault(path) or Fault()
        if fault.hang:
            web.wait_for_close()
            self.close_connection = True
            return
        if fault.status is not None:
            self._send(fault.status, fault.headers, fault.body or b"")
            return
        free = web.free is not None and path.startswith(web.free)
        if web.needs is not None and not free and self.headers.get("Authorization") != web.needs:
            self._send(401, {"WWW-Authenticate": web.challenge}, b"")
            return
        if path.startswith("/simple/"):
            answer = web.page(path.removeprefix("/simple/").strip("/"), self.headers.get("Accept", ""))
            if answer is None:
                self._send(404, {}, b"")
            else:
                self._send(200, {"Content-Type": answer[0]}, answer[1] if fault.body is None else fault.body)
            return
        if path not in web.files:
            self._send(404, {}, b"")
            return
        self._send_file(path, web.files[path] if fault.body is None else fault.body, fault.cut)

    def _send_file(self, path: str, content: bytes, cut: int | None) -> None:
        web = self.server.web
        headers = {"Content-Type": web.types.get(path, "application/octet-stream")}
        tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        if web.etags:
            headers["ETag"] = tag
        if self.headers.get("If-None-Match") == tag and web.etags:
            self._send(304, headers, b"")
            return
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        changed = self.headers.get("If-Range", tag) != tag
        if not asked or web.ranges == "ignored" or changed:
            self._send(200, headers, content, cut)
            return
        if web.ranges == "refused":
            self._send(501, {}, b"")
            return
        total = len(content)
        if asked[1]:
            start, stop = int(asked[1]), min(total, int(asked[2]) + 1 if asked[2] else total)
        else:
            start, stop = max(0, total - int(asked[2])), total
        if start >= total:
            self._send(416, {"Content-Range": f"bytes */{total}"}, b"")
            return
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{total}"
        self._send(206, headers, content[start:stop], cut)

    def _send(self, status: int, headers: Mapping[str, str], body: bytes, cut: int | None = None) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if cut is None else body[:cut])
        if cut is not None:
            self.wfile.flush()
            self.close_connection = True


def _json_page(project: str, files: Mapping[str, Offered]) -> bytes:
    entries: list[dict[str, Any]] = []
    for filename, file in files.items():
        entry: dict[str, Any] = {
            "filename": filename,
            "url": f"../../files/{quote(filename)}",
            "hashes": {"sha256": file.sha256} if file.hashed else {},
            "size": len(file.content),
            "yanked": False if file.yanked is None else file.yanked or True,
        }
        if file.requires_python is not None:
            entry["requires-python"] = file.requires_python
        if file.upload_time is not None:
            entry["upload-time"] = file.upload_time
        if file.metadata is not None:
            entry["core-metadata"] = {
                "sha256": file.metadata_sha256 or hashlib.sha256(file.metadata).hexdigest()
            }
        entries.append(entry)
    return json.dumps({"meta": {"api-version": "1.1"}, "name": project, "files": entries}).encode()


def _html_page(files: Mapping[str, Offered]) -> bytes:
    lines = ["<!DOCTYPE html>", "<html><body>"]
    for filename, file in files.items():
        fragment = f"#sha256={file.sha256}" if file.hashed else ""
        attributes = {"href": f"../../files/{quote(filename)}{fragment}"}
        if file.requires_python is not None:
            attributes["data-requires-python"] = file.requires_python
        if file.yanked is not None:
            attributes["data-yanked"] = file.yanked
        written = " ".join(f'{key}="{html.escape(value)}"' for key, value in attributes.items())
        lines.append(f"<a {written}>{html.escape(filename)}</a><br/>")
    return "\n".join([*lines, "</body></html>"]).encode()
