"""Whom to trust: what pip or requests are told to, else this system's authorities together with certifi's."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mlimage.errors import FetchError
from mlimage.pipconfig import authorities

if TYPE_CHECKING:
    from requests.adapters import HTTPAdapter


WHO_NAMES_AUTHORITIES: Final = (
    "correct PIP_CERT, REQUESTS_CA_BUNDLE, SSL_CERT_FILE or `pip config get global.cert`"
)


def make_adapter(environ: Mapping[str, str]) -> "tuple[HTTPAdapter, str | bool]":
    """An adapter that many threads share, and what to pass to requests as `verify`.

    Raises:
        FetchError: the file of authorities that is named is not there.
    """
    from mlimage.fetch.watched import WatchedAdapter

    chosen = authorities(environ)
    if chosen is not None:
        if not Path(chosen).expanduser().exists():
            raise FetchError(
                f"the file of certificate authorities `{chosen}` is not there",
                hint=WHO_NAMES_AUTHORITIES,
            )
        return WatchedAdapter(pool_maxsize=32), str(Path(chosen).expanduser())

    import ssl

    class SystemAdapter(WatchedAdapter):
        """certifi alone, which is what requests trusts, knows no CA that a company gave its machines."""

        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, ssl_context=ssl.create_default_context(), **kwargs)

    return SystemAdapter(pool_maxsize=32), True
