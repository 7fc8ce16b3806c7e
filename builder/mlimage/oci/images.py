"""A base that is an image of a registry: its layers come into the store, as they are, and into a folder."""

import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mlimage import process
from mlimage.cache import Cache
from mlimage.digest import Digest
from mlimage.errors import RegistryError
from mlimage.fetch import Http, is_sound
from mlimage.lock.identity import check_identity
from mlimage.lock.images import FoundImage
from mlimage.lock.model import ImageLayer
from mlimage.mirrors import Mirrors
from mlimage.oci.blobstream import open_layer
from mlimage.oci.login import Logins
from mlimage.oci.manifests import (
    ManifestError,
    NoPlatformError,
    find_manifest,
    layers_of,
    read_config,
)
from mlimage.oci.model import Descriptor, LayerBlob
from mlimage.oci.outgoing import stamp
from mlimage.oci.records import LayerRecords
from mlimage.oci.registry import Repository
from mlimage.oci.store import Store
from mlimage.oci.unpack import unpack_layers
from mlimage.plan.layers import pulled_key
from mlimage.platforms import Platform
from mlimage.progress import Progress, Task
from mlimage.spec.registry import Reference


class RegistryImages:
    """The image of one reference; `lock.images.Images` and `OpenImages` say what each of this does."""

    def __init__(
        self,
        reference: Reference,
        /,
        *,
        http: Http,
        mirrors: Mirrors,
        cache: Cache,
        environ: Mapping[str, str],
        progress: Progress,
        run: process.Runner = process.run,
    ) -> None:
        self._reference = reference
        self._store = Store(cache.store)
        self._records = LayerRecords(cache.layers, self._store)
        self._progress = progress
        self._locks: defaultdict[Digest, threading.Lock] = defaultdict(threading.Lock)
        self._verified: set[ImageLayer] = set()
        self._repository = Repository(
            reference, http=http, mirrors=mirrors, logins=Logins(environ, run=run), progress=progress
        )

    def find(self, platform: Platform) -> FoundImage:
        """What the reference means now."""
        first = self._repository.document(self._reference.selector)
        try:
            document, manifest = find_manifest(first, platform, self._repository.document)
            config = read_config(self._repository.blob(manifest.config.digest), platform)
            return FoundImage(
                index=first.digest,
                manifest=document.digest,
                config=manifest.config.digest,
                env=tuple(sorted({name: value for name, value in config.variables if name}.items())),
                layers=layers_of(manifest, config),
            )
        except NoPlatformError as error:
            raise RegistryError(
                f"`{self._reference}` is not there for `{platform}`",
                hint=error.hint,
            ) from error
        except ManifestError as error:
            raise RegistryError(
                f"`{self._reference}` {error}", hint="take another image as the base"
            ) from error

    def fetch(self, layer: ImageLayer, task: Task) -> Path:
        """The blob of a layer, verified."""
        path = self._store.blob(layer.digest)
        with self._locks[layer.digest]:
            if layer not in self._verified or not path.is_file():
                if not is_sound(path, layer.digest):
                    if path.exists():
                        self._progress.detail(f"{layer.digest} was damaged in the store and is fetched again")
                    self._repository.download(layer.digest, layer.size, to=path, task=task)
                check_identity(layer, path)
                stamp(path, layer.digest)
                self._verified.add(layer)
        return path

    def unpack(self, layers: Sequence[ImageLayer], folder: Path) -> None:
        """Lay fetched layers into an empty folder."""
        blobs = [
            _blob(layer, name=f"base-{number}", uncompressed_size=0) for number, layer in enumerate(layers, 1)
        ]
        sizes = unpack_layers(blobs, self._store, folder, of=self._reference.name, owners=False, verify=True)
        for layer, blob, size in zip(layers, blobs, sizes, strict=True):
            self._records.put(pulled_key(layer), replace(blob, uncompressed_size=size))


def measured(layer: ImageLayer, *, name: str, store: Store, records: LayerRecords) -> LayerBlob:
    """A layer of the store under a name of ours, its tar held against its diff_id if it was not yet.

    Raises:
        BuildError: it is damaged, or is not what its image says.
    """
    known = records.get(pulled_key(layer))
    if known is not None:
        return replace(known, name=name)
    with open_layer(_blob(layer, name=name, uncompressed_size=0), store, verify=True) as stream:
        stream.finish()
        return _blob(layer, name=name, uncompressed_size=stream.size)


def _blob(layer: ImageLayer, *, name: str, uncompressed_size: int) -> LayerBlob:
    return LayerBlob(
        name=name,
        diff_id=layer.diff_id,
        blob=Descriptor(media_type=layer.media_type, digest=layer.digest, size=layer.size),
        uncompressed_size=uncompressed_size,
    )
