"""Why a request did not work, in words: HTTP statuses and what requests and urllib3 raise, translated."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from mlimage.errors import FetchError
from mlimage.mirrors import redact

_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_CERTIFICATE_HINT: Final = (
    "if your network has its own CA, set REQUESTS_CA_BUNDLE, or `pip config set global.cert FILE`"
)
_NETWORK_HINT: Final = "check the network, the proxy (HTTPS_PROXY), or name a mirror (MLIMAGE_MIRROR_…)"
_CREDENTIALS_HINT: Final = "put the credentials into ~/.netrc"


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
    """

    reason: str
    again: bool
    hint: str | None = None
    wait: float | None = None
    missing: bool = False
    status: int | None = None


class BrokenError(Exception):
    """One attempt failed; never leaves this package."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


def gave_up(url: str, failures: Sequence[Failure]) -> FetchError:
    """The error that tells the user what was tried and what happened."""
    counts = Counter(failure.reason for failure in failures)
    reasons = ", ".join(
        reason if times == 1 else f"{reason} ({times} times)" for reason, times in counts.items()
    )
    tried = f"tried {len(failures)} times: " if len(failures) > 1 else ""
    hint = next((failure.hint for failure in reversed(failures) if failure.hint), None)
    last = failures[-1]
    message = f"`{redact(url)}` cannot be fetched: {tried}{reasons}"
    if last.again:
        return UnreachableError(message, hint=hint, status=last.status)
    if last.status is not None and 400 <= last.status < 500:
        return RefusedError(message, hint=hint, status=last.status)
    return (MissingError if last.missing else FetchError)(message, hint=hint)


def of_status(status: int, headers: Mapping[str, str]) -> Failure:
    """Why an answer with this status is no use."""
    if status in {401, 407}:
        return Failure(
            reason=f"credentials are asked for (HTTP {status})",
            again=False,
            hint=_CREDENTIALS_HINT,
            status=status,
        )
    if status == 403:
        return Failure(
            reason="access is refused (HTTP 403)", again=False, hint=_CREDENTIALS_HINT, status=status
        )
    if status in {404, 410}:
        return Failure(reason=f"it is not there (HTTP {status})", again=False, missing=True)
    return Failure(reason=f"HTTP {status}", again=status in _AGAIN, wait=_retry_after(headers), status=status)


def of_exception(error: BaseException, url: str) -> Failure:
    """Why requests or urllib3 gave up; the innermost cause that says something is what counts."""
    import socket
    import ssl

    from requests import exceptions as r
    from urllib3 import exceptions as u

    host = urlsplit(url).hostname or "?"
    chain = _causes(error)
    for cause in chain:
        if isinstance(cause, ssl.SSLCertVerificationError):
            why = cause.verify_message or "unknown reason"
            reason = f"the certificate of `{host}` is not trusted ({why})"
            return Failure(reason=reason, again=False, hint=_CERTIFICATE_HINT)
    for cause in chain:
        match cause:
            case socket.gaierror() | u.NameResolutionError():
                reason = f"the name `{host}` is not known (DNS)"
            case r.ProxyError() | u.ProxyError():
                reason = "the proxy cannot be reached"
            case r.ConnectTimeout() | u.ConnectTimeoutError() if not isinstance(cause, u.NewConnectionError):
                reason = f"`{host}` does not answer (timeout)"
            case r.ReadTimeout() | u.ReadTimeoutError() | TimeoutError():
                reason = f"`{host}` went silent (timeout)"
            case ConnectionRefusedError():
                reason = f"`{host}` refuses the connection"
            case ssl.SSLError():
                reason = f"TLS with `{host}` fails ({cause.reason or 'no reason given'})"
            case u.IncompleteRead() if cause.expected:
                reason = (
                    f"the connection broke after {cause.partial} of {cause.partial + cause.expected} bytes"
                )
            case OSError() if cause.errno is not None and not isinstance(cause, r.RequestException):
                reason = f"no connection to `{host}` ({(cause.strerror or '').lower()})"
            case r.InvalidURL() | r.MissingSchema() | r.InvalidSchema() | r.TooManyRedirects():
                return Failure(reason=_plain(cause), again=False)
            case _:
                continue
        return Failure(reason=reason, again=True, hint=_NETWORK_HINT)
    return Failure(reason="the connection broke", again=True, hint=_NETWORK_HINT)


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
