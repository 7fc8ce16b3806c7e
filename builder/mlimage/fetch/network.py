"""How this machine is configured to reach the network: authorities, proxy and patience."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mlimage import __version__
from mlimage.fetch.tls import make_adapter
from mlimage.pipconfig import proxy, timeout

if TYPE_CHECKING:
    import requests
    from requests.adapters import HTTPAdapter

_NONE: Final[Mapping[str, str]] = {}
_READ_TIMEOUT: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds for a connection to be made, and seconds without a byte until a server counts as silent."""

    connect: float
    read: float

    @property
    def answer(self) -> float:
        """Seconds for an answer to begin and all of its headers to be there, from the connection on."""
        return self.connect + self.read


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What all requests have in common.

    Attributes:
        adapter: the pool of connections.
        verify: the authorities, as requests wants them.
        proxy: pip's, which goes before those of the environment.
        timeouts: how long a server is waited for.
    """

    adapter: "HTTPAdapter"
    verify: str | bool
    proxy: str | None
    timeouts: Timeouts

    def proxies(self, url: str) -> Mapping[str, str]:
        """What is passed to requests as `proxies`; those of the environment it finds by itself."""
        from requests.utils import should_bypass_proxies

        if self.proxy is None or should_bypass_proxies(url, no_proxy=None):
            return _NONE
        return {"http": self.proxy, "https": self.proxy}

    def session(self) -> "requests.Session":
        """A session for one thread: it follows no redirect and keeps no cookie."""
        from http.cookiejar import DefaultCookiePolicy

        from requests import Session

        class OneStep(Session):
            """Goes nowhere by itself: requests reads the whole body of each redirect, without limit."""

            def get_redirect_target(self, _: "requests.Response") -> None:
                return None

        session = OneStep()
        session.headers["User-Agent"] = f"mlimage/{__version__}"
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        session.mount("https://", self.adapter)
        session.mount("http://", self.adapter)
        return session


def open_network(
    environ: Mapping[str, str], *, connect_timeout: float, read_timeout: float | None
) -> Network:
    """The network as pip and this environment are configured.

    Args:
        environ: environment variables.
        connect_timeout: seconds for a connection to be made.
        read_timeout: seconds without a byte; None: pip's, or else ours.

    Raises:
        FetchError: the file of authorities that is named is not there.
        UsageError: pip's configuration cannot be read.
    """
    adapter, verify = make_adapter(environ)
    patience = read_timeout or timeout(environ) or _READ_TIMEOUT
    return Network(
        adapter=adapter,
        verify=verify,
        proxy=proxy(environ),
        timeouts=Timeouts(connect=connect_timeout, read=patience),
    )
