"""The HTTP client: one pool of connections for all threads, every answer judged, every file verified."""

import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, TypeVar
from urllib.parse import unquote, urljoin, urlsplit

from mlimage.digest import Digest
from mlimage.errors import FetchError
from mlimage.fetch.answer import HttpResponse, Part, strong_validator
from mlimage.fetch.authenticator import Authenticator, Header
from mlimage.fetch.body import Body, opened
from mlimage.fetch.credentials import Credentials
from mlimage.fetch.exchange import Exchange
from mlimage.fetch.failures import (
    NETRC_IS_NO_TEXT,
    Asker,
    BrokenError,
    EndlessError,
    Failure,
    NoRangesError,
    gave_up,
    netrc_problem,
    of_exception,
    of_status,
)
from mlimage.fetch.keyring import Keyring
from mlimage.fetch.pace import WINDOW
from mlimage.fetch.partial import Partial, check, partial
from mlimage.fetch.retry import Retry
from mlimage.progress import Task
from mlimage.redact import address

if TYPE_CHECKING:
    import requests

    from mlimage.fetch.network import Network

_T = TypeVar("_T")
_NONE: Final[Mapping[str, str]] = {}
_PAGE_LIMIT: Final = 64 << 20
_JUDGED: Final = frozenset({404, 410})
_REDIRECTS: Final = 10
_SAME_METHOD: Final = frozenset({307, 308})
_ANSWER_LIMIT: Final = 1 << 20
_ANSWERS: Final = 2
"""How often one request answers a server that asks for credentials: what it has may have run out."""
_STEADY: Final = 1 << 20
"""So many new bytes make an attempt count as a success, however it ended: a big file may need many."""
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)\Z")


class Http:
    """Fetches. Safe to use from several threads; connections are kept until `close`.

    Credentials come from a URL's user part (then they count for that server), from `~/.netrc`, or from the
    keyring; they are never sent to another server that a redirect leads to, and never shown.

    Args:
        retry: how often and how soon to try again.
        connect_timeout: seconds for a connection to be made.
        read_timeout: seconds without a byte after which a server counts as silent; None: those that pip is
            configured to, or 30.
        page_timeout: seconds in which a page, or a part of a file, must have come; one that may be larger
            than pages are may take longer by as much.
        window: seconds in which 64 KiB of a body must come or be taken, unless it ends.
        environ: where certificate authorities and pip's proxy are named; those of other programs, as
            `HTTPS_PROXY` and `NO_PROXY`, are read from the process's environment.
        keyring: is asked for logins that a server wants.
    """

    def __init__(
        self,
        *,
        retry: Retry | None = None,
        connect_timeout: float = 10.0,
        read_timeout: float | None = None,
        page_timeout: float = 300.0,
        window: float = WINDOW,
        environ: Mapping[str, str] = os.environ,
        keyring: Keyring | None = None,
    ) -> None:
        self._retry = retry or Retry()
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._page_timeout = page_timeout
        self._window = window
        self._environ = environ
        self._lock = threading.Lock()
        self._mine = threading.local()
        self._network: Network | None = None
        self._credentials = Credentials(keyring)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        if self._network is not None:
            self._network.adapter.close()

    def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] = _NONE,
        form: Mapping[str, str] | None = None,
        auth: Authenticator | None = None,
        judged: frozenset[int] = _JUDGED,
        limit: int = _PAGE_LIMIT,
        known_as: str | None = None,
    ) -> HttpResponse:
        """Fetch a page.

        Args:
            url: where.
            headers: of the request.
            form: is sent with POST, to the server of the URL alone; no redirect is followed then.
            auth: answers for the server of the URL, and for no other.
            judged: statuses besides 200 that the caller judges.
            limit: most bytes that it may have.
            known_as: the URL by which a keyring may know the server of the URL.

        Raises:
            RefusedError: another status from 400 to 499.
            EndlessError: it has more bytes.
            FetchError: any other status, or no answer, after all attempts.
        """

        def once() -> HttpResponse:
            with self._open(url, headers, auth, form, known_as) as (response, exchange):
                if response.status_code != 200 and response.status_code not in judged:
                    raise self._refusal(response, auth)
                body = self._whole(response, exchange, limit)
                if len(body) > limit:
                    raise EndlessError(f"`{address(url)}` cannot be fetched: the page has no end")
                named = {key.lower(): value for key, value in response.headers.items()}
                return HttpResponse(status=response.status_code, headers=named, body=body, url=response.url)

        return self._trying(url, once)

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] = _NONE,
        body: Body | None = None,
        auth: Authenticator | None = None,
        judged: frozenset[int] = _JUDGED,
        attempts: int | None = None,
    ) -> HttpResponse:
        """Send a request that changes something, or `HEAD`; redirects are followed with 307 and 308 only.

        Args:
            method: as HTTP has it.
            url: where.
            headers: of the request.
            body: what is sent.
            auth: answers for the server of the URL, and for no other.
            judged: statuses from 300 on that the caller judges.
            attempts: how often at most; None: as often as everything else.

        Raises:
            RefusedError: another status from 400 to 499.
            FetchError: any other status, or no answer, after all attempts.
        """

        def once() -> HttpResponse:
            with self._open(url, headers, auth, method=method, body=body) as (response, exchange):
                if response.status_code >= 300 and response.status_code not in judged:
                    raise self._refusal(response, auth)
                said = b"" if method == "HEAD" else self._whole(response, exchange, _ANSWER_LIMIT)
                named = {key.lower(): value for key, value in response.headers.items()}
                return HttpResponse(
                    status=response.status_code, headers=named, body=said[:_ANSWER_LIMIT], url=response.url
                )

        return self._trying(url, once, attempts=attempts, asked="sent to")

    def read_range(self, url: str, start: int, stop: int) -> bytes:
        """The bytes from `start` up to, not including, `stop`.

        Raises:
            NoRangesError: the server gives whole files only.
            FetchError: it cannot be fetched.
        """
        part = self._part(url, f"bytes={start}-{stop - 1}", stop - start)
        if part.start != start or len(part.content) != min(stop, part.total) - start:
            raise NoRangesError(f"`{address(url)}` answers with another range than was asked for")
        return part.content

    def read_tail(self, url: str, length: int) -> Part:
        """The last bytes of a file, at most `length`; with them comes its size.

        Raises:
            NoRangesError: the server gives whole files only.
            FetchError: it cannot be fetched.
        """
        part = self._part(url, f"bytes=-{length}", length)
        if part.start != max(0, part.total - length) or part.start + len(part.content) != part.total:
            raise NoRangesError(f"`{address(url)}` answers with another range than was asked for")
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
                    check(growing, name=name, place=address(url), digest=digest, size=size, page=page)
                except FetchError:
                    if doubted:
                        raise
                    doubted = True
                else:
                    return

    def _fill(self, url: str, growing: Partial, size: int | None, auth: Authenticator | None) -> bool:
        """Bring the file to its end; tells whether the server calls it an HTML page."""
        failures: list[Failure] = []
        fruitless, most = 0, growing.position
        validator: list[str] = []
        while True:
            if size is not None and growing.position == size:
                return False
            try:
                return self._transfer(url, growing, size, validator, auth)
            except BrokenError as broken:
                failures.append(broken.failure)
                fruitless += broken.failure.counts
                if growing.position - most >= _STEADY:  # more than ever: some begin anew again and again
                    fruitless, most = 0, growing.position
                if not broken.failure.again or fruitless >= self._retry.attempts:
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
        with self._open(url, headers, auth) as (response, exchange):
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
                raise self._refusal(response, auth)
            validator[:] = strong_validator(response.headers)
            for chunk in exchange.pieces(response, decode=False):
                growing.write(chunk)
                if size is not None and growing.position > size:
                    break
            return response.headers.get("Content-Type", "").startswith("text/html")

    def _whole(self, response: "requests.Response", exchange: Exchange, limit: int) -> bytes:
        """The body, decoded; of one that is longer than the limit, a little more than that."""
        total = self._page_timeout * max(1.0, limit / _PAGE_LIMIT)
        body = bytearray()
        for piece in exchange.pieces(response, decode=True, total=total):
            body += piece
            if len(body) > limit:
                break
        return bytes(body)

    def _part(self, url: str, span: str, length: int) -> Part:
        def once() -> Part | None:
            with self._open(url, {"Range": span, "Accept-Encoding": "identity"}) as (response, exchange):
                if response.status_code in {200, 416, 501}:
                    return None
                if response.status_code != 206:
                    raise self._refusal(response)
                given = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
                if not given:
                    return None
                return Part(
                    start=int(given[1]), total=int(given[3]), content=self._whole(response, exchange, length)
                )

        part = self._trying(url, once)
        if part is None:
            raise NoRangesError(f"`{address(url)}` comes only as a whole")
        return part

    def _trying(
        self, url: str, once: Callable[[], _T], *, attempts: int | None = None, asked: str = "fetched"
    ) -> _T:
        failures: list[Failure] = []
        while True:
            try:
                return once()
            except BrokenError as broken:
                failures.append(broken.failure)
                spent = sum(failure.counts for failure in failures)
                if not broken.failure.again or spent >= (attempts or self._retry.attempts):
                    raise gave_up(url, failures, asked=asked) from broken
                self._retry.wait(len(failures), broken.failure.wait)

    @contextmanager
    def _open(
        self,
        url: str,
        headers: Mapping[str, str],
        auth: Authenticator | None = None,
        form: Mapping[str, str] | None = None,
        known_as: str | None = None,
        *,
        method: str | None = None,
        body: Body | None = None,
    ) -> "Iterator[tuple[requests.Response, Exchange]]":
        """One request and its answer as a stream; what goes wrong on the network is a `BrokenError`."""
        import requests
        import urllib3

        exchange: Exchange | None = None
        try:
            network, session, place, answers = self._shared_network(), self._session(), url, 0
            for _ in range(_REDIRECTS + 1):
                bare, login = self._credentials.separate(place)
                at_home = _origin(bare) == _origin(url)
                own = auth if at_home else None
                header = own.header() if own else None
                host = urlsplit(bare).hostname or "?"
                exchange = Exchange(host, answer=network.timeouts.answer, window=self._window)
                with (
                    opened(body, exchange) as stream,  # what is passed over of a body takes no server's time
                    exchange.limit,
                    session.request(
                        method or ("GET" if form is None else "POST"),
                        bare,
                        data=form if stream is None else stream,
                        headers=dict(headers),
                        auth=Header(header)
                        if auth is not None
                        else (login.name, login.password)
                        if login
                        else None,
                        proxies=dict(network.proxies(bare)),
                        stream=True,
                        timeout=(network.timeouts.connect, network.timeouts.read),
                        verify=network.verify,
                    ) as response,
                ):
                    exchange.answered()
                    if response.status_code == 401 and answers < _ANSWERS:
                        answers += 1
                        if own and own.answer(response.headers.get("WWW-Authenticate", ""), header):
                            continue
                        if auth is None and self._credentials.ask(bare, known_as if at_home else None, login):
                            continue
                    target = requests.Session.get_redirect_target(session, response)
                    changes = form is not None or method not in {None, "HEAD"}
                    if target is None or form or (changes and response.status_code not in _SAME_METHOD):
                        yield response, exchange
                        return
                place = urljoin(bare, target)
                if bare.startswith("https:") and place.startswith("http:"):
                    raise BrokenError(
                        Failure(reason="it redirects to a place without encryption", again=False)
                    )
            raise requests.TooManyRedirects
        except UnicodeDecodeError as error:  # of which requests does not think when it reads ~/.netrc
            raise BrokenError(NETRC_IS_NO_TEXT) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            failure = exchange.failure if exchange else None
            raise BrokenError(failure or of_exception(error, url, network.timeouts)) from error

    def _refusal(self, response: "requests.Response", auth: Authenticator | None = None) -> BrokenError:
        """Why an answer is of no use, and who it was that asked."""
        url = response.request.url or ""
        bare, login = self._credentials.separate(url)
        sent = "Authorization" in response.request.headers
        source = login.source if login else "`~/.netrc`" if sent and auth is None else None
        return BrokenError(
            of_status(
                response.status_code,
                response.headers,
                asker=Asker(
                    host=urlsplit(bare).hostname or "?",
                    source=source,
                    has_keyring=self._credentials.has_keyring,
                    netrc_problem=None if sent else netrc_problem(bare),
                ),
            )
        )

    def _session(self) -> "requests.Session":
        session: requests.Session | None = getattr(self._mine, "session", None)
        if session is None:
            session = self._mine.session = self._shared_network().session()
        return session

    def _shared_network(self) -> "Network":
        with self._lock:
            if self._network is None:
                from mlimage.fetch.network import open_network

                self._network = open_network(
                    self._environ, connect_timeout=self._connect_timeout, read_timeout=self._read_timeout
                )
            return self._network


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.rpartition("@")[2].lower()
