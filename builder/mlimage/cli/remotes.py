"""The registries that a build has to do with: where its images go, and where layers are kept."""

import os
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

from mlimage.release.target import cache_of, repository_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlimage.cli.screen import Screen
    from mlimage.engines.build import Built
    from mlimage.engines.elsewhere import Elsewhere
    from mlimage.fetch import Http
    from mlimage.oci.destination import Destination
    from mlimage.oci.login import Logins
    from mlimage.oci.store import Store
    from mlimage.release.elsewhere import LayerCache
    from mlimage.spec.registry import Reference


class Remotes(AbstractContextManager["Remotes"]):
    """Those of one run of `build`; registries are asked first when an image wants it.

    Args:
        to: where images go, `REGISTRY/PATH`; None when they stay here.
        cache: repository of layers; None when there is none.
        plain: whether they speak HTTP without encryption.
        store: of this machine.
        screen: where it is shown.

    Raises:
        UsageError: one is no place of a registry.
    """

    def __init__(
        self, *, to: str | None, cache: str | None, plain: bool, store: "Store", screen: "Screen"
    ) -> None:
        self._to = to
        self._cache_reference = cache_of(cache) if cache else None
        self._plain = plain
        self._store = store
        self._screen = screen
        self._stack = ExitStack()
        self._http: Http | None = None
        self._cache: LayerCache | None = None
        self._destinations: dict[str, Destination] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def _asks(self) -> "Http":
        if self._http is None:
            from mlimage.fetch import Http

            self._http = self._stack.enter_context(Http(environ=os.environ))
        return self._http

    def destination(self, name: str) -> "Destination":
        """Where images of a name go. What the cache has, or other repositories got before, is mounted."""
        if self._to is None:
            raise ValueError("nothing is pushed")
        if name not in self._destinations:
            reference = repository_of(self._to, name)
            others = [each.reference for each in self._destinations.values()]
            if self._cache_reference:
                others.append(self._cache_reference)
            self._destinations[name] = self._open(
                reference, [each.repository for each in others if each.registry == reference.registry]
            )
        return self._destinations[name]

    def layers_for(self, name: str, *, stay: bool) -> "Elsewhere | None":
        """Where layers of an image may be, and may `stay`; None where only this machine has any."""
        from mlimage.release.elsewhere import Registries

        destination = self.destination(name) if self._to and stay else None
        cache = self._layer_cache()
        return Registries(destination, cache) if destination or cache else None

    def keep(self, built: "Built") -> None:
        """Write the layers of an image that come from its lock into the cache."""
        from mlimage.engines.recorded import comes_from_lock

        if cache := self._layer_cache():
            blobs = {each.key: each.blob.blob for each in built.layers if comes_from_lock(each.layer)}
            cache.keep(blobs, built.image.name)

    def _layer_cache(self) -> "LayerCache | None":
        reference = self._cache_reference
        if self._cache is None and reference:
            from mlimage.mirrors import load_mirrors
            from mlimage.oci.registry import Repository
            from mlimage.release.elsewhere import LayerCache

            there = [
                each.reference
                for each in self._destinations.values()
                if each.reference.registry == reference.registry
            ]
            self._cache = LayerCache(
                str(reference),
                writes=self._open(reference, [each.repository for each in there]),
                reads=Repository(
                    reference,
                    http=self._asks,
                    mirrors=load_mirrors(os.environ),
                    logins=self._logins,
                    progress=self._screen.progress,
                    plain=self._plain,
                ),
                store=self._store,
                progress=self._screen.progress,
            )
        return self._cache

    def _open(self, reference: "Reference", sources: "Sequence[str]") -> "Destination":
        from mlimage.oci.destination import Destination

        return Destination(
            reference,
            http=self._asks,
            logins=self._logins,
            note=self._screen.progress.detail,
            sources=sources,
            plain=self._plain,
        )

    @property
    def _logins(self) -> "Logins":
        from mlimage.oci.login import Logins
        from mlimage.process import run

        return Logins(os.environ, run=run)
