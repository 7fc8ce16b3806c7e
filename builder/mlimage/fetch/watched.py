"""Connections of urllib3 that are held to the limit of the exchange which uses them."""

import socket
from typing import Any, Final

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from mlimage.fetch.limit import check, connecting, hold


class _Plain(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        with connecting():
            made = super()._new_conn()
        hold(made)  # before anything is said: a proxy, or a TLS handshake, may be slow, too
        return made

    def _tunnel(self) -> None:
        super()._tunnel()
        check()  # headers of a proxy that were shut look as if they had ended

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Send a request."""
        if self.sock is not None:  # kept from an exchange before
            hold(self.sock)
        super().request(*args, **kwargs)


class _Secure(_Plain, HTTPSConnection):
    """The same over TLS."""


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


_POOLS: Final = {"http": _PlainPool, "https": _SecurePool}


class WatchedAdapter(HTTPAdapter):
    """An adapter all of whose connections are of this kind, those through proxies too."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """For servers."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """For a proxy; one that speaks SOCKS has connections of its own kind."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = _POOLS
        return manager
