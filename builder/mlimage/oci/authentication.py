"""Answers a registry that asks who we are: `Basic`, or `Bearer` with a token from where it says.

https://distribution.github.io/distribution/spec/auth/token/
"""

import base64
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from urllib.parse import urlencode, urlsplit

from mlimage.document import DocumentError, read_document
from mlimage.errors import RegistryError, UsageError
from mlimage.fetch import Http, HttpResponse, RefusedError
from mlimage.mirrors import Location
from mlimage.oci.login import Login
from mlimage.redact import address

_WORDS: Final = re.compile(
    r'(?P<name>[\w-]+)\s*=\s*(?:"(?P<quoted>[^"]*)"|(?P<plain>[^\s,"]+))|(?P<scheme>[\w-]+)'
)
_TOKEN: Final = re.compile(r"[!-~]+\Z")
_TOKEN_LIMIT: Final = 1 << 20


class RegistryAuthentication:
    """What one registry is told for one scope. Safe to use from several threads.

    Args:
        http: fetches tokens.
        place: where the registry is.
        scopes: what is asked for where the registry does not say, `repository:PATH:pull`.
        login: gives the user's login when the registry asks for one.
        note: is told why the user's login could not be used.
        plain: whether the user wants passwords to go there without encryption.
    """

    def __init__(
        self,
        http: Http,
        place: Location,
        *,
        scopes: Sequence[str],
        login: Callable[[], Login | None],
        note: Callable[[str], None],
        plain: bool = False,
    ) -> None:
        self._http = http
        self._place = place
        self._scopes = tuple(scopes)
        self._find = login
        self._note = note
        self._plain = plain
        self._lock = threading.Lock()
        self._header: str | None = None
        self._login: Login | None = None
        self._asked = False
        self._trouble: str | None = None

    @property
    def hint(self) -> str | None:
        """Why the user's login could not be used, when that is so."""
        return self._trouble

    @property
    def user(self) -> str | None:
        """Who asks, when the user has a login there."""
        return (self._login.user or "your token") if self._login else None

    def header(self) -> str | None:
        """The header that worked last."""
        return self._header

    def answer(self, challenge: str, used: str | None) -> bool:
        """Get a token, or take the login, as the registry says.

        Raises:
            RegistryError: who gives tokens refuses, or answers wrong.
            FetchError: it cannot be reached.
        """
        with self._lock:
            if used != self._header:
                return True  # another thread was here meanwhile
            asked = challenges(challenge)
            header = None
            if "bearer" in asked:
                header = f"Bearer {self._token(asked['bearer'])}"
            elif "basic" in asked:
                header = self._basic()
            if header is None or header == used:
                return False
            self._header = header
            return True

    def _basic(self) -> str | None:
        if not self._asked:
            self._asked = True
            try:
                self._login = self._find()
            except UsageError as error:  # public images need none
                self._trouble = str(error)
                self._note(f"no login is used at `{self._place}`: {error}")
        if self._login is None or self._login.identity or (self._place.plain and not self._plain):
            return None
        return "Basic " + base64.b64encode(f"{self._login.user}:{self._login.password}".encode()).decode()

    def _token(self, parameters: Mapping[str, str]) -> str:
        realm = parameters.get("realm", "")
        if not realm:
            raise RegistryError(
                f"`{self._place}` asks for a token, but does not say where to get one: "
                "its answer has no `realm`"
            )
        if not _is_web(realm):
            raise RegistryError(
                f"`{self._place}` sends for a token to `{address(realm)}`, which is no web URL"
            )
        if Location(realm).plain:
            raise RegistryError(
                f"`{self._place}` sends for a token to `{address(realm)}`, which is not encrypted"
            )
        asked = parameters.get("scope")
        scopes = self._scopes if asked is None or asked in self._scopes else (asked, *self._scopes[1:])
        query = [("scope", scope) for scope in scopes]
        if "service" in parameters:
            query.insert(0, ("service", parameters["service"]))
        basic = self._basic()
        try:
            answer = self._ask(realm, query, basic)
        except RefusedError as error:
            who = f"the login of `{self.user}`" if self.user else "a request without a login"
            raise RegistryError(
                f"`{address(realm)}`, which gives tokens for `{self._place}`, refuses {who} "
                f"(HTTP {error.status})",
                hint=self.hint,
            ) from error
        try:
            document = read_document(answer.body)
            token = document.get("token").text("") or document.get("access_token").need().text()
        except DocumentError as error:
            raise RegistryError(f"`{address(realm)}` gives no token for `{self._place}`: {error}") from None
        if not _TOKEN.match(token):
            raise RegistryError(f"`{address(realm)}` gives no token for `{self._place}`: it is not one word")
        return token

    def _ask(self, realm: str, query: Sequence[tuple[str, str]], basic: str | None) -> HttpResponse:
        if self._login is not None and self._login.identity:
            form = {
                "grant_type": "refresh_token",
                "client_id": "mlimage",
                "refresh_token": self._login.password,
            }
            scopes = " ".join(scope for name, scope in query if name == "scope")
            return self._http.get(
                realm, form={**form, **dict(query), "scope": scopes}, auth=Fixed(None), limit=_TOKEN_LIMIT
            )
        url = f"{realm}{'&' if urlsplit(realm).query else '?'}{urlencode(query)}"
        return self._http.get(url, auth=Fixed(basic), limit=_TOKEN_LIMIT)


def _is_web(url: str) -> bool:
    """Whether it is the URL of a web server."""
    try:
        parts = urlsplit(url)
        return parts.scheme in {"https", "http"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


class Fixed:
    """One header, whatever the server says of it."""

    def __init__(self, value: str | None) -> None:
        self._value = value

    def header(self) -> str | None:
        """That one."""
        return self._value

    def answer(self, challenge: str, used: str | None) -> bool:
        """There is no other."""
        del challenge, used
        return False


NOBODY: Final = Fixed(None)
"""Says nothing: for places that a registry sends to, which have no business with its credentials."""


def challenges(text: str) -> Mapping[str, Mapping[str, str]]:
    """The parameters of each way to ask, by its name in lower case.

    >>> challenges('Bearer realm="https://r.example/token",service="r.example"')
    {'bearer': {'realm': 'https://r.example/token', 'service': 'r.example'}}
    """
    found: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for match in _WORDS.finditer(text):
        if match["scheme"]:
            current = found.setdefault(match["scheme"].lower(), {})
        else:
            current.setdefault(match["name"].lower(), match["quoted"] or match["plain"] or "")
    return found
