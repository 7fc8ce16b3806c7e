"""Who the user is at web servers: by their URLs, by `~/.netrc`, by the keyring. Kept in memory alone."""

import threading
from itertools import takewhile
from urllib.parse import unquote, urlsplit, urlunsplit

from mlimage.fetch.keyring import Keyring, Login
from mlimage.mirrors import Location

Origin = tuple[str, str]
"""Scheme, and host with its port."""


class Credentials:
    """The logins that were met. Safe to use from several threads.

    Those of a URL count for its server: of several there, for instance one for each index, the one whose URL
    has most of its path in common. Where no URL says anything, requests takes what `~/.netrc` has for the
    host.

    Args:
        keyring: is asked when a server refuses what there is.
    """

    def __init__(self, keyring: Keyring | None) -> None:
        self._keyring = keyring
        self._lock = threading.RLock()
        self._of_urls: dict[tuple[Origin, str], Login] = {}
        self._of_keyring: dict[tuple[Origin, str], Login] = {}
        self._asked: set[tuple[str, str]] = set()

    @property
    def has_keyring(self) -> bool:
        """Whether there is one to ask."""
        return self._keyring is not None and self._keyring.program is not None

    def separate(self, url: str) -> tuple[str, Login | None]:
        """The URL without its user part and fragment, and the login that its server is known to want."""
        parts = urlsplit(url)
        user, at, server = parts.netloc.rpartition("@")
        origin = (parts.scheme, server.lower())
        with self._lock:
            if at:
                name, _, password = (unquote(part) for part in user.partition(":"))
                self._of_urls[origin, parts.path] = Login(name=name, password=password, source="its URL")
            login = self._find(origin, parts.path)
        return urlunsplit((parts.scheme, server, parts.path, parts.query, "")), login

    def ask(self, url: str, known_as: str | None, refused: Login | None) -> bool:
        """Ask the keyring for a server that refused; whether another request may do better.

        A password of a URL is never replaced, and one of a keyring is not sent without encryption.

        Args:
            url: what was asked for, without a user part.
            known_as: the URL of the index at that server, by which a keyring may know it.
            refused: the login that was sent.
        """
        if self._keyring is None or Location(url).plain or (refused and refused.password):
            return False
        parts = urlsplit(url)
        origin, name = (parts.scheme, parts.netloc.lower()), refused.name if refused else ""
        services = [self.separate(known_as)[0]] if known_as else []
        with self._lock:
            if self._find(origin, parts.path) != refused:
                return True  # another thread was here meanwhile
            for service in (*services, parts.netloc):
                if (service, name) not in self._asked:
                    self._asked.add((service, name))
                    found = self._keyring.find(service, name)
                    if found is not None:
                        self._of_keyring[origin, name] = found
                        return True
        return False

    def _find(self, origin: Origin, path: str) -> Login | None:
        near = [(where, login) for (server, where), login in self._of_urls.items() if server == origin]
        login = max(near, key=lambda each: _in_common(each[0], path))[1] if near else None
        if login is not None and login.password:
            return login
        return self._of_keyring.get((origin, login.name if login else ""), login)


def _in_common(one: str, other: str) -> int:
    """How many whole folders two paths have in common."""
    pairs = zip(one.split("/"), other.split("/"), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
