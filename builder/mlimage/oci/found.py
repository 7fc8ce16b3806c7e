"""An image wherever it lies, from whatever tool: what it says of itself, and how its layers are read."""

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal, cast

from mlimage.bounds import RATIO, UNSUSPICIOUS, is_bomb
from mlimage.digest import Digest
from mlimage.errors import BuildError
from mlimage.oci.blobstream import Hashed, unpacker
from mlimage.oci.configuration import Configuration, need_fit, read_configuration
from mlimage.oci.model import SealedImage
from mlimage.oci.store import Store
from mlimage.oci.untar import Readable

_PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundLayer:
    """A layer, and how its bytes are had.

    Attributes:
        name: for people; what its annotation says, else `layer-N`.
        named: whether its annotation says it.
        diff_id: digest of the tar, as the image's configuration says.
        digest: of the stored, usually compressed, bytes; None where no manifest names them.
        media_type: what the manifest says that these are; None likewise.
        size: of the stored bytes.
        open: gives a fresh stream of the stored bytes, any number of them at once, from any thread.
    """

    name: str
    named: bool
    diff_id: Digest
    digest: Digest | None
    media_type: str | None
    size: int
    open: Callable[[], io.RawIOBase]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundImage:
    """An image of which only the layers are still to be read.

    Attributes:
        name: as the user named it.
        platform: `os/architecture`, and the variant where there is one.
        digest: of the manifest; None in an archive that has none.
        image_id: digest of the configuration.
        configuration: what its configuration says.
        layers: bottom first.
    """

    name: str
    platform: str
    digest: Digest | None
    image_id: Digest
    configuration: Configuration
    layers: tuple[FoundLayer, ...]

    @property
    def config(self) -> Mapping[str, Any]:
        """The configuration, all of it."""
        return self.configuration.document


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLayer:
    """What is known of a layer before the configuration is read; the attributes are those of `FoundLayer`."""

    name: str
    digest: Digest | None
    media_type: str | None
    size: int
    open: Callable[[], io.RawIOBase]


def found_image(
    config: bytes, layers: Sequence[StoredLayer], *, name: str, digest: Digest | None
) -> FoundImage:
    """The image of a configuration and its stored layers, bottom first.

    Raises:
        ValueError: it is no configuration of an image, or one of an image with other layers.
    """
    found = read_configuration(config)
    need_fit(len(layers), found)
    return FoundImage(
        name=name,
        platform=found.platform or "unknown",
        digest=digest,
        image_id=Digest.of(config),
        configuration=found,
        layers=tuple(
            FoundLayer(
                name=layer.name or f"layer-{number}",
                named=bool(layer.name),
                diff_id=diff_id,
                digest=layer.digest,
                media_type=layer.media_type,
                size=layer.size,
                open=layer.open,
            )
            for number, (layer, diff_id) in enumerate(zip(layers, found.diff_ids, strict=True))
        ),
    )


def in_store(image: SealedImage, store: Store) -> FoundImage:
    """An image of the store; raises `BuildError` when its configuration is missing or damaged."""
    layers = [
        StoredLayer(
            # `read` calls a layer without annotation so.
            name="" if layer.name == f"layer-{number}" else layer.name,
            digest=layer.blob.digest,
            media_type=layer.blob.media_type,
            size=layer.blob.size,
            open=partial(store.open, layer.blob, name=layer.name),
        )
        for number, layer in enumerate(image.layers)
    ]
    return found_image(store.read(image.config), layers, name=image.name, digest=image.digest)


class TarStream:
    """The tar of a layer, whatever it is packed with; whoever trusts what it read calls `finish`.

    Attributes:
        done: bytes of the tar that were read.
    """

    def __init__(
        self,
        layer: FoundLayer,
        raw: Hashed,
        unpacked: Readable,
        errors: tuple[type[Exception], ...],
        advance: Callable[[int], None],
        unsuspicious: int,
    ) -> None:
        self.done = 0
        self._unsuspicious = unsuspicious
        self._layer = layer
        self._raw = raw
        self._unpacked = unpacked
        self._errors = errors
        self._hash = hashlib.sha256()
        self._advance = advance
        self._told = 0

    def read(self, size: int, /) -> bytes:
        """Some of the next bytes; raises `BuildError` where it is damaged, or a bomb."""
        try:
            piece = self._unpacked.read(size)
        except self._errors as error:
            while self._raw.read(_PIECE):  # a store's error is the truer one
                pass
            raise self._damaged() from error
        self._hash.update(piece)
        self.done += len(piece)
        if is_bomb(packed=self._layer.size, unpacked=self.done, unsuspicious=self._unsuspicious):
            raise BuildError(
                f"layer `{self._layer.name}` unpacks to more than {RATIO} times its {self._layer.size} bytes"
            )
        return piece

    def finish(self) -> None:
        """Read the rest; raises `BuildError` when stored bytes or tar are not what their digests say."""
        while self.read(_PIECE):
            self.tell()
        while self._raw.read(_PIECE):
            self.tell()
        self.tell()
        digest = self._layer.digest
        if self._hash.hexdigest() != self._layer.diff_id.hex or (
            digest is not None and self._raw.hexdigest() != digest.hex
        ):
            raise self._damaged()

    def tell(self) -> None:
        """Let the progress know how many of the stored bytes were read since it was last told."""
        if self._raw.done > self._told:
            self._advance(self._raw.done - self._told)
            self._told = self._raw.done

    def _damaged(self) -> BuildError:
        return BuildError(
            f"layer `{self._layer.name}` is damaged: it is not {self._layer.digest or self._layer.diff_id}",
            hint="have the image written, or fetched, again",
        )


@contextmanager
def open_tar(
    layer: FoundLayer,
    advance: Callable[[int], None] = lambda _: None,
    *,
    unsuspicious: int = UNSUSPICIOUS,
) -> Iterator[TarStream]:
    """The tar of a layer.

    Args:
        layer: which.
        advance: is told how many stored bytes were read, when `tell` or `finish` is called.
        unsuspicious: bytes of a tar that may be packed as well as they can.

    Raises:
        BuildError: it is not there, or packed in a way that is not known here.
    """
    packing = _packing(layer)
    with layer.open() as stream:
        raw = Hashed(stream)
        unpacked, errors = unpacker(raw, packing)
        if packing == "none":
            unpacked = cast("Readable", io.BufferedReader(raw, _PIECE))
        yield TarStream(layer, raw, unpacked, errors, advance, unsuspicious)


def _packing(layer: FoundLayer) -> Literal["gzip", "zstd", "none"]:
    """From the first bytes: archives of `docker save` do not say it, and what others say is not always so."""
    with layer.open() as stream:
        first = stream.read(4) or b""
    if first.startswith(b"\x1f\x8b"):
        return "gzip"
    return "zstd" if first == b"\x28\xb5\x2f\xfd" else "none"
