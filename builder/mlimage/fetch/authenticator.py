"""How a server's own way of asking for credentials is answered (RFC 9110, section 11)."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from requests import PreparedRequest


class Authenticator(Protocol):
    """What one server is told of who asks. Safe to use from several threads."""

    def header(self) -> str | None:
        """The `Authorization` header for it as far as it is known now."""

    def answer(self, challenge: str, used: str | None) -> bool:
        """The server refused (HTTP 401); whether another request may do better.

        Args:
            challenge: its `WWW-Authenticate` header.
            used: the header that it was given.
        """


class Header:
    """As `auth` of a request: this header and no other, so also nothing from `~/.netrc`."""

    def __init__(self, value: str | None) -> None:
        self._value = value

    def __call__(self, request: "PreparedRequest") -> "PreparedRequest":
        """Set the header."""
        if self._value is not None:
            request.headers["Authorization"] = self._value
        return request
