"""The HTTP client: one pool of connections for all threads, every answer judged, every file verified."""

import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, TypeVar
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from mlimage import __version__
from mlimage.digest import Digest
from mlimage.errors import FetchError
from mlimage.fetch.authenticator import Authenticator, Header
from mlimage.fetch.failures import (
    BrokenError,
    EndlessError,
    Failure,
    NoRangesError,
    gave_up,
    of_exception,
    of_status,
)
from mlimage.fetch.partial import CHUNK, Partial, check, partial
from mlimage.fetch.retry import Retry
from mlimage.mirrors import redact
from mlimage.progress import Task

if TYPE_CHECKING:
    import requests
    from requests.adapters import HTTPAdapter

_T = TypeVar("_T")
_NONE: Final[Mapping[str, str]] = {}
_PAGE_LIMIT: Final = 64 << 20
_JUDGED: Final = frozenset({404, 410})
_REDIRECTS: Final = 10
_ANSWERS: Final = 2
"""How often one request answers a server that asks for credentials: what it has may have run out."""
_STEADY: Final = 1 << 20
"""So many new bytes make an attempt count as a success, however it ended: a big file may need many."""
_WINDOW: Final = 60.0
_LEAST: Final = 1 << 16
"""A download that brings fewer bytes in so many seconds is broken off."""
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """A whole answer, 200 or 404; `url` is where redirects led, header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Bytes of a file from `start`, and the size of the whole file."""

    start: int
    total: int
    content: bytes


class Http:
    """Fetches. Safe to use from several threads; connections are kept until `close`.

    Credentials come from a URL's user part (then they count for that server) or from `~/.netrc`; they are
    never sent to another server that a redirect leads to, and never shown.

    Args:
        retry: how often and how soon to try again.
        connect_timeout: seconds for a connection to be made.
        read_timeout: seconds without a byte after which a server counts as silent.
        page_timeout: seconds in which a page, or a part of a file, must have come.
        environ: where certificate authorities are named; proxies are read from the process's environment.
    """

    def __init__(
        self,
        *,
        retry: Retry | None = None,
        connect_timeout: float = 10.0,
        read_timeout: float = 30.0,
        page_timeout: float = 300.0,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._retry = retry or Retry()
        self._timeout = (connect_timeout, read_timeout)
        self._page_timeout = page_timeout
        self._environ = environ
        self._lock = threading.Lock()
        self._mine = threading.local()
        self._adapter: HTTPAdapter | None = None
        self._verify: str | bool = True
        self._credentials: dict[tuple[str, str], tuple[str, str]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        if self._adapter is not None:
            self._adapter.close()

    def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] = _NONE,
        form: Mapping[str, str] | None = None,
        auth: Authenticator | None = None,
        judged: frozenset[int] = _JUDGED,
        limit: int = _PAGE_LIMIT,
    ) -> HttpResponse:
        """Fetch a page.

        Args:
            url: where.
            headers: of the request.
            form: is sent with POST, to the server of the URL alone; no redirect is followed then.
            auth: answers for the server of the URL, and for no other.
            judged: statuses besides 200 that the caller judges.
            limit: most bytes that it may have.

        Raises:
            RefusedError: another status from 400 to 499.
            EndlessError: it has more bytes.
            FetchError: any other status, or no answer, after all attempts.
        """

        def once() -> HttpResponse:
            with self._open(url, headers, auth, form) as response:
                if response.status_code != 200 and response.status_code not in judged:
                    raise BrokenError(of_status(response.status_code, response.headers))
                body = self._whole(response, limit)
                if len(body) > limit:
                    raise EndlessError(f"`{redact(url)}` cannot be fetched: the page has no end")
                named = {key.lower(): value for key, value in response.headers.items()}
                return HttpResponse(status=response.status_code, headers=named, body=body, url=response.url)

        return self._trying(url, once)

    def read_range(self, url: str, start: int, stop: int) -> bytes:
        """The bytes from `start` up to, not including, `stop`.

        Raises:
            NoRangesError: the server gives whole files only.
            FetchError: it cannot be fetched.
        """
        part = self._part(url, f"bytes={start}-{stop - 1}", stop - start)
        if part.start != start or len(part.content) != min(stop, part.total) - start:
            raise NoRangesError(f"`{redact(url)}` answers with another range than was asked for")
        return part.content

    def read_tail(self, url: str, length: int) -> Part:
        """The last bytes of a file, at most `length`; with them comes its size.

        Raises:
            NoRangesError: the server gives whole files only.
            FetchError: it cannot be fetched.
        """
        part = self._part(url, f"bytes=-{length}", length)
        if part.start != max(0, part.total - length) or part.start + len(part.content) != part.total:
            raise NoRangesError(f"`{redact(url)}` answers with another range than was asked for")
        return part

    def download(
        self,
        url: str,
        to: Path,
        *,
        digest: Digest,
        size: int | None,
        task: Task,
        auth: Authenticator | None = None,
    ) -> None:
        """Fetch a file as a stream; `to` appears only when its bytes have the digest.

        An interrupted transfer is resumed, also one of an earlier run. Bytes with another hash are fetched
        once more, from the beginning, then given up. `auth` answers for the server of the URL, and no other.

        Raises:
            MissingError: the server does not have it.
            RefusedError: the server refuses.
            FetchError: it cannot be fetched, or has another hash or size, or cannot be written.
        """
        name = unquote(urlsplit(url).path.rpartition("/")[2])
        with partial(to, digest, task) as growing:
            if growing is None:
                return
            doubted = False
            while True:
                page = self._fill(url, growing, size, auth)
                try:
                    check(growing, name=name, place=redact(url), digest=digest, size=size, page=page)
                except FetchError:
                    if doubted:
                        raise
                    doubted = True
                else:
                    return

    def _fill(self, url: str, growing: Partial, size: int | None, auth: Authenticator | None) -> bool:
        """Bring the file to its end; tells whether the server calls it an HTML page."""
        failures: list[Failure] = []
        fruitless = 0
        validator: list[str] = []
        while True:
            before = growing.position
            if size is not None and before == size:
                return False
            try:
                return self._transfer(url, growing, size, validator, auth)
            except BrokenError as broken:
                failures.append(broken.failure)
                fruitless = 0 if growing.position - before >= _STEADY else fruitless + 1
                if not broken.failure.again or fruitless == self._retry.attempts:
                    raise gave_up(url, failures) from broken
                self._retry.wait(max(1, fruitless), broken.failure.wait)

    def _transfer(
        self,
        url: str,
        growing: Partial,
        size: int | None,
        validator: list[str],
        auth: Authenticator | None,
    ) -> bool:
        headers = {"Accept-Encoding": "identity"}
        if growing.position:
            headers["Range"] = f"bytes={growing.position}-"
            if validator:
                headers["If-Range"] = validator[0]
        with self._open(url, headers, auth) as response:
            if response.status_code == 206:
                span = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
                if not span or int(span[1]) != growing.position:
                    growing.restart()
                    raise BrokenError(Failure(reason="the server resumes at another place", again=True))
            elif response.status_code == 200:
                growing.restart()
            elif response.status_code == 416:
                growing.restart()
                raise BrokenError(Failure(reason="the server cannot resume", again=True))
            else:
                raise BrokenError(of_status(response.status_code, response.headers))
            validator[:] = _strong_validator(response.headers)
            pace = _Pace(growing.position)
            while chunk := response.raw.read1(CHUNK, decode_content=False):
                growing.write(chunk)
                if size is not None and growing.position > size:
                    break
                pace.check(growing.position)
            return response.headers.get("Content-Type", "").startswith("text/html")

    def _whole(self, response: "requests.Response", limit: int) -> bytes:
        """The body, decoded; of one that is longer than the limit, a little more than that."""
        until = time.monotonic() + self._page_timeout
        body = bytearray()
        while len(body) <= limit and (chunk := response.raw.read1(CHUNK, decode_content=True)):
            body += chunk
            if time.monotonic() > until:
                reason = f"it is not there after {self._page_timeout:.0f} seconds"
                raise BrokenError(Failure(reason=reason, again=False))
        return bytes(body)

    def _part(self, url: str, span: str, length: int) -> Part:
        def once() -> Part | None:
            with self._open(url, {"Range": span, "Accept-Encoding": "identity"}) as response:
                if response.status_code in {200, 416, 501}:
                    return None
                if response.status_code != 206:
                    raise BrokenError(of_status(response.status_code, response.headers))
                given = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
                if not given:
                    return None
                return Part(start=int(given[1]), total=int(given[3]), content=self._whole(response, length))

        part = self._trying(url, once)
        if part is None:
            raise NoRangesError(f"`{redact(url)}` comes only as a whole")
        return part

    def _trying(self, url: str, once: Callable[[], _T]) -> _T:
        failures: list[Failure] = []
        while True:
            try:
                return once()
            except BrokenError as broken:
                failures.append(broken.failure)
                if not broken.failure.again or len(failures) == self._retry.attempts:
                    raise gave_up(url, failures) from broken
                self._retry.wait(len(failures), broken.failure.wait)

    @contextmanager
    def _open(
        self,
        url: str,
        headers: Mapping[str, str],
        auth: Authenticator | None = None,
        form: Mapping[str, str] | None = None,
    ) -> "Iterator[requests.Response]":
        """One request and its answer as a stream; what goes wrong on the network is a `BrokenError`."""
        import requests
        import urllib3

        try:
            session, place, answers = self._session(), url, 0
            for _ in range(_REDIRECTS + 1):
                bare, credentials = self._separate(place)
                own = auth if auth is not None and _origin(bare) == _origin(url) else None
                header = own.header() if own else None
                with session.request(
                    "GET" if form is None else "POST",
                    bare,
                    data=form,
                    headers=dict(headers),
                    auth=credentials if auth is None else Header(header),
                    stream=True,
                    timeout=self._timeout,
                    verify=self._verify,
                ) as response:
                    if own and response.status_code == 401 and answers < _ANSWERS:
                        answers += 1
                        if own.answer(response.headers.get("WWW-Authenticate", ""), header):
                            continue
                    target = requests.Session.get_redirect_target(session, response)
                    if target is None or form is not None:
                        yield response
                        return
                place = urljoin(bare, target)
                if bare.startswith("https:") and place.startswith("http:"):
                    raise BrokenError(
                        Failure(reason="it redirects to a place without encryption", again=False)
                    )
            raise requests.TooManyRedirects
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise BrokenError(of_exception(error, url)) from error

    def _separate(self, url: str) -> tuple[str, tuple[str, str] | None]:
        """The URL without its user part, and the credentials that its server is known to want."""
        parts = urlsplit(url)
        user, at, server = parts.netloc.rpartition("@")
        origin = (parts.scheme, server.lower())
        if at:
            name, _, password = user.partition(":")
            self._credentials[origin] = (unquote(name), unquote(password))
        bare = urlunsplit((parts.scheme, server, parts.path, parts.query, ""))
        return bare, self._credentials.get(origin)

    def _session(self) -> "requests.Session":
        session: requests.Session | None = getattr(self._mine, "session", None)
        if session is None:
            from requests import Session
            from requests.cookies import RequestsCookieJar

            class OneStep(Session):
                """Goes nowhere by itself: requests reads the whole body of each redirect, without limit."""

                def get_redirect_target(self, _: "requests.Response") -> None:
                    return None

            session = OneStep()
            session.headers["User-Agent"] = f"mlimage/{__version__}"
            session.cookies = _no_cookies(RequestsCookieJar())
            adapter = self._shared_adapter()
            session.mount("https://", adapter)
            session.mount("http://", adapter)
            self._mine.session = session
        return session

    def _shared_adapter(self) -> "HTTPAdapter":
        with self._lock:
            if self._adapter is None:
                from mlimage.fetch.tls import make_adapter

                self._adapter, self._verify = make_adapter(self._environ)
            return self._adapter


class _Pace:
    """Whether bytes come at all; a server that sends one every now and then is never silent long enough."""

    def __init__(self, position: int) -> None:
        self._position = position
        self._until = time.monotonic() + _WINDOW

    def check(self, position: int) -> None:
        """Raise `BrokenError` when too few came since the last look."""
        if time.monotonic() < self._until:
            return
        if position - self._position < _LEAST:
            raise BrokenError(
                Failure(reason=f"fewer than {_LEAST} bytes came in {_WINDOW:.0f} seconds", again=True)
            )
        self._position, self._until = position, time.monotonic() + _WINDOW


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.rpartition("@")[2].lower()


def _no_cookies(jar: "requests.cookies.RequestsCookieJar") -> "requests.cookies.RequestsCookieJar":
    from http.cookiejar import DefaultCookiePolicy

    jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return jar


def _strong_validator(headers: Mapping[str, str]) -> list[str]:
    """RFC 9110, section 13.1.5: what `If-Range` may carry."""
    tag = headers.get("ETag", "")
    if tag and not tag.startswith("W/"):
        return [tag]
    return [headers["Last-Modified"]] if "Last-Modified" in headers else []
