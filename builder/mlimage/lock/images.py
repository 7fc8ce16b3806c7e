"""What locks need of registries. The client itself is in `oci`, which lies above and is handed in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mlimage.cache import Cache
from mlimage.digest import Digest
from mlimage.fetch import Http
from mlimage.lock.model import ImageLayer
from mlimage.mirrors import Mirrors
from mlimage.platforms import Platform
from mlimage.progress import Progress, Task
from mlimage.spec.registry import Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundImage:
    """An image of a registry for one platform, as its manifests tell of it.

    Attributes:
        index: digest of what the reference led to: an index of platforms, or the manifest itself.
        manifest: digest of the platform's manifest.
        config: digest of its configuration.
        env: environment variables that it sets, sorted by name.
        layers: bottom first.
    """

    index: Digest
    manifest: Digest
    config: Digest
    env: tuple[tuple[str, str], ...]
    layers: tuple[ImageLayer, ...]


class Images(Protocol):
    """The image of one reference. Safe to use from several threads."""

    def find(self, platform: Platform) -> FoundImage:
        """What the reference means now.

        Raises:
            RegistryError: the registry refuses, does not have it, or has something else under that name.
            FetchError: the registry cannot be reached.
        """

    def fetch(self, layer: ImageLayer, task: Task) -> Path:
        """The blob of a layer, verified; fetched when it is not on this machine. Raises as `find` does."""

    def unpack(self, layers: Sequence[ImageLayer], folder: Path) -> None:
        """Lay fetched layers, bottom first, into an empty folder.

        Raises:
            BuildError: one is damaged, is not the tar that its image says, or has what no image may have.
        """


class OpenImages(Protocol):
    """Gives the image of a reference; asks the registry nothing yet."""

    def __call__(
        self,
        reference: Reference,
        /,
        *,
        http: Http,
        mirrors: Mirrors,
        cache: Cache,
        environ: Mapping[str, str],
        progress: Progress,
    ) -> Images:
        """The image of the reference."""
