"""Why a request did not work, in words: HTTP statuses and what requests and urllib3 raise, translated."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from mlimage.errors import FetchError
from mlimage.fetch.network import Timeouts
from mlimage.fetch.tls import WHO_NAMES_AUTHORITIES
from mlimage.redact import address
from mlimage.refusals import EXHAUSTED

_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_CERTIFICATE_HINT: Final = (
    "if your network has its own CA, set REQUESTS_CA_BUNDLE, or `pip config set global.cert FILE`"
)
_CERTIFICATE_HINTS: Final = {
    9: "is the clock of this machine right?",
    10: "tell who runs it, unless the clock of this machine is wrong",
    62: "is its name right? else tell who runs it",
    64: "is its address right? else tell who runs it",
}
"""By what OpenSSL says (`X509_V_ERR_…` of x509_vfy.h): no other authority would help."""
_NETWORK_HINT: Final = "check the network, the proxy (HTTPS_PROXY), or name a mirror (MLIMAGE_MIRROR_…)"
_PROXY_HINT: Final = "name one that speaks HTTP: HTTPS_PROXY=http://HOST:PORT"
_BROKEN_HINT: Final = "that is the server's own trouble: try later, or name a mirror (MLIMAGE_MIRROR_…)"
_PROXY_ASKS: Final = "the proxy asks for a login (HTTP 407)"
_PROXY_LOGIN_HINT: Final = "put name and password into its URL: HTTPS_PROXY=http://NAME:PASSWORD@HOST:PORT"
_SLOW: Final = 3
"""For how many attempts one counts that took a whole timeout: nobody wants to wait for five of them."""
_TUNNEL: Final = re.compile(r"Tunnel connection failed: (\d{3})")
"""What `http.client` says when a proxy refuses CONNECT."""


class MissingError(FetchError):
    """The server is fine, but does not have it."""


class RefusedError(FetchError):
    """The server answers, and refuses: with this HTTP status."""

    def __init__(self, message: str, *, hint: str | None = None, status: int) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class EndlessError(FetchError):
    """What comes is larger than anything of its kind."""


class UnreachableError(FetchError):
    """The server does not answer, or only that it cannot: the same for every other file of it."""

    def __init__(self, message: str, *, hint: str | None = None, status: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class NoRangesError(FetchError):
    """The server gives whole files only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why one attempt failed.

    Attributes:
        reason: in words, without the URL.
        again: whether another attempt may help.
        hint: what the user can do.
        wait: seconds that the server asks to wait.
        missing: whether the server says that there is no such file.
        status: the HTTP status, where there was one.
        counts: for how many attempts this one counts.
    """

    reason: str
    again: bool
    hint: str | None = None
    wait: float | None = None
    missing: bool = False
    status: int | None = None
    counts: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asked a server that refused, for the hint.

    Attributes:
        host: the server.
        source: where the login that was sent is from; None when none was sent.
        has_keyring: whether a keyring could have one.
        netrc_problem: why `~/.netrc` could not be read.
    """

    host: str
    source: str | None
    has_keyring: bool
    netrc_problem: str | None

    @property
    def hint(self) -> str:
        """What the user can do."""
        if self.source is not None:
            return f"is it still valid, and may it read this? it is that of {self.source}"
        if self.netrc_problem is not None:
            return self.netrc_problem
        keyring = f", or `keyring set {self.host} NAME`" if self.has_keyring else ""
        return f"write `machine {self.host} login NAME password PASSWORD` into ~/.netrc{keyring}"


class BrokenError(Exception):
    """One attempt failed; never leaves this package."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


NETRC_IS_NO_TEXT: Final = Failure(
    reason="`~/.netrc` is no text", again=False, hint="write it in UTF-8, or name another file in NETRC"
)


def gave_up(url: str, failures: Sequence[Failure], *, asked: str = "fetched") -> FetchError:
    """The error that tells the user what was tried and what happened."""
    counts = Counter(failure.reason for failure in failures)
    reasons = ", ".join(
        reason if times == 1 or len(counts) == 1 else f"{reason} ({times} times)"
        for reason, times in counts.items()
    )
    tried = f"tried {len(failures)} times: " if len(failures) > 1 else ""
    hint = next((failure.hint for failure in reversed(failures) if failure.hint), None)
    last = failures[-1]
    message = f"`{address(url)}` cannot be {asked}: {tried}{reasons}"
    if last.again:
        return UnreachableError(message, hint=hint, status=last.status)
    if last.status is not None and last.status >= 400:
        return RefusedError(message, hint=hint, status=last.status)
    return (MissingError if last.missing else FetchError)(message, hint=hint)


def of_status(status: int, headers: Mapping[str, str], *, asker: Asker) -> Failure:
    """Why an answer with this status is no use."""
    if status == 407:
        return Failure(reason=_PROXY_ASKS, again=False, hint=_PROXY_LOGIN_HINT, status=status)
    if status == 401:
        reason = "a login is asked for" if asker.source is None else "the login is refused"
        return Failure(reason=f"{reason} (HTTP 401)", again=False, hint=asker.hint, status=status)
    if status == 403:
        return Failure(reason="access is refused (HTTP 403)", again=False, hint=asker.hint, status=status)
    if status in {404, 410}:
        return Failure(reason=f"it is not there (HTTP {status})", again=False, missing=True)
    return Failure(
        reason=f"HTTP {status}",
        again=status in _AGAIN,
        hint=_BROKEN_HINT if status in _AGAIN else None,
        wait=_retry_after(headers),
        status=status,
    )


def of_exception(error: BaseException, url: str, timeouts: Timeouts) -> Failure:
    """Why requests or urllib3 gave up; the innermost cause that says something is what counts."""
    import http.client
    import socket
    import ssl

    from requests import exceptions as r
    from urllib3 import exceptions as u

    host = urlsplit(url).hostname or "?"
    chain = _causes(error)
    for cause in chain:
        if isinstance(cause, OSError) and cause.errno in EXHAUSTED:
            raise cause  # it is this machine that has no more to give, and no server
        if isinstance(cause, ssl.SSLCertVerificationError):
            why = (cause.verify_message or "unknown reason").rstrip(".")
            reason = f"the certificate of `{host}` is not trusted ({why})"
            hint = _CERTIFICATE_HINTS.get(cause.verify_code, _CERTIFICATE_HINT)
            return Failure(reason=reason, again=False, hint=hint)
    # These say where it broke; what is inside of them is the same as for any other connection.
    if any(isinstance(cause, r.ProxyError) for cause in chain):
        return _of_proxy(chain, host)
    if any(isinstance(cause, r.ConnectTimeout) for cause in chain):
        return slow(f"`{host}` does not answer within {timeouts.connect:g} seconds")
    for cause in chain:
        match cause:
            case socket.gaierror() | u.NameResolutionError():
                reason = f"the name `{host}` is not known (DNS)"
            case TimeoutError() if "handshake" in str(cause):  # as OpenSSL's module says it
                return slow(f"the TLS handshake with `{host}` takes more than {timeouts.connect:g} seconds")
            case r.ReadTimeout() | u.ReadTimeoutError() | TimeoutError():
                return slow(f"`{host}` sent nothing for {timeouts.read:g} seconds")
            case ConnectionRefusedError():
                reason = f"`{host}` refuses the connection"
            case ssl.SSLError() if cause.reason == "NO_CERTIFICATE_OR_CRL_FOUND":
                reason = "the file of certificate authorities has none in it"
                return Failure(reason=reason, again=False, hint=WHO_NAMES_AUTHORITIES)
            case ssl.SSLError():
                reason = f"TLS with `{host}` fails ({cause.reason or 'no reason given'})"
            case u.IncompleteRead() if cause.expected:
                reason = (
                    f"the connection broke after {cause.partial} of {cause.partial + cause.expected} bytes"
                )
            case http.client.HTTPException() if not isinstance(cause, http.client.RemoteDisconnected):
                reason = f"`{host}` sends an answer that is not valid HTTP ({_odd(cause)})"
            case OSError() if cause.errno is not None and not isinstance(cause, r.RequestException):
                reason = f"no connection to `{host}` ({(cause.strerror or '').lower()})"
            case r.InvalidProxyURL():
                return Failure(reason="the URL of the proxy cannot be read", again=False, hint=_PROXY_HINT)
            case r.InvalidSchema() if "SOCKS" in str(cause):
                return Failure(
                    reason="the proxy speaks SOCKS, which mlimage does not", again=False, hint=_PROXY_HINT
                )
            case r.InvalidURL() | r.MissingSchema() | r.InvalidSchema() | r.TooManyRedirects():
                return Failure(reason=_plain(cause), again=False)
            case _:
                continue
        return Failure(reason=reason, again=True, hint=_NETWORK_HINT)
    return Failure(reason="the connection broke", again=True, hint=_NETWORK_HINT)


def _odd(cause: BaseException) -> str:
    """What `http.client` says, in one line; of an answer that is none it is the beginning."""
    import http.client

    said = " ".join(str(cause).split())[:80] or type(cause).__name__
    return f"it begins with `{said}`" if isinstance(cause, http.client.BadStatusLine) else said


def slow(reason: str) -> Failure:
    """The failure of an attempt that took all the time that it may."""
    return Failure(reason=reason, again=True, hint=_NETWORK_HINT, counts=_SLOW)


def _of_proxy(chain: Sequence[BaseException], host: str) -> Failure:
    """A proxy that cannot be reached, or does not let through to the host."""
    tunnel = next((found for cause in chain if (found := _TUNNEL.search(str(cause)))), None)
    if tunnel is None:
        return Failure(reason="the proxy cannot be reached", again=True, hint=_NETWORK_HINT)
    status = int(tunnel[1])
    if status == 407:
        return Failure(reason=_PROXY_ASKS, again=False, hint=_PROXY_LOGIN_HINT, status=status)
    return Failure(
        reason=f"the proxy does not let through to `{host}` (HTTP {status})",
        again=status in _AGAIN,
        hint=f"ask who runs it, or reach `{host}` without it: NO_PROXY={host}",
        status=status,
    )


def netrc_problem(url: str) -> str | None:
    """What is wrong with `~/.netrc`; requests passes over one that it cannot read."""
    from netrc import NetrcParseError

    from requests.utils import get_netrc_auth

    try:
        get_netrc_auth(url, raise_errors=True)
    except NetrcParseError as error:  # its message quotes what it does not understand, maybe a password
        return f"correct `{error.filename}`, which cannot be read from line {error.lineno} on"
    except OSError as error:
        return f"make `{error.filename}` readable for you"
    return None


def _plain(error: BaseException) -> str:
    from requests import exceptions as r

    return (
        "too many redirects"
        if isinstance(error, r.TooManyRedirects)
        else "it leads to something that is no web URL"
    )


def _causes(error: BaseException) -> list[BaseException]:
    """The exception and everything that it wraps, innermost first."""
    found: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        current = waiting.pop(0)
        if isinstance(current, BaseException) and current not in found:
            found.append(current)
            waiting += [
                current.__cause__,
                current.__context__,
                getattr(current, "reason", None),
                *current.args,
            ]
    return found[::-1]


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """RFC 9110, section 10.2.3: seconds, or a date."""
    from email.utils import parsedate_to_datetime

    value = headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value[:6])
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
