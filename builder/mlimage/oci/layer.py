"""Files to a layer in the store, in one streaming pass: no layer is ever whole in memory."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence

from mlimage.content.entry import Entry
from mlimage.digest import Digest
from mlimage.oci.blobstream import open_layer
from mlimage.oci.compress import Compressor, codec_of
from mlimage.oci.model import LayerBlob
from mlimage.oci.store import Store
from mlimage.oci.tar import CHUNK, tar_chunks
from mlimage.plan.model import Compression


def pack(
    entries: Sequence[Entry],
    *,
    name: str,
    compression: Compression,
    store: Store,
    advance: Callable[[int], None],
) -> LayerBlob:
    """Write a layer into the store: tar, its digest, compressor, the result's digest, file.

    Args:
        entries: the files, as `content.entry.arrange` gives them.
        name: of the layer, for people.
        compression: how it is packed.
        store: where it goes.
        advance: is told how many more bytes of the tar are done. What it raises ends the
            work, and nothing stays.

    Raises:
        BuildError: a file is not what its entry says, or the compressor is not what it should be.
        OSError: the store cannot be written.
    """
    return _pack(tar_chunks(entries), name=name, compression=compression, store=store, advance=advance)


def repack(layer: LayerBlob, compression: Compression, store: Store) -> LayerBlob:
    """Pack what a layer unpacks to once more; the store has the result then, and still the layer.

    Raises:
        BuildError: the layer does not unpack to its diff_id.
        OSError: the store cannot be written.
    """
    with open_layer(layer, store, verify=True) as stream:

        def chunks() -> Iterator[bytes]:
            yield from iter(lambda: stream.read(CHUNK), b"")
            stream.finish()

        return _pack(chunks(), name=layer.name, compression=compression, store=store, advance=lambda _: None)


def _pack(
    tar: Iterable[bytes],
    *,
    name: str,
    compression: Compression,
    store: Store,
    advance: Callable[[int], None],
) -> LayerBlob:
    # In one thread: another one for the compressor gained nothing, since each core has a layer of its own.
    codec = codec_of(compression)
    content = hashlib.sha256()
    size = 0
    with store.blob_writer() as blob:
        compressor = Compressor(codec)
        for chunk in tar:
            content.update(chunk)
            size += len(chunk)
            packed = compressor.write(chunk)
            if packed:
                blob.write(packed)
            advance(len(chunk))
        blob.write(compressor.finish())
        descriptor = blob.commit(codec.media_type)
    return LayerBlob(
        name=name, diff_id=Digest.from_hex(content.hexdigest()), blob=descriptor, uncompressed_size=size
    )
