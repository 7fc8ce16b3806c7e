"""An image's layers onto a folder, for machines that run it without Docker."""

import fcntl
import os
import secrets
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from mlimage.atomic import PARTIAL, atomic_folder, scratch_folder
from mlimage.bounds import UNPACKED
from mlimage.cache import Cache
from mlimage.errors import BuildError, MlimageWarning
from mlimage.inventory import change_at_a_look, take_inventory, write_inventory
from mlimage.oci.blobstream import open_layer
from mlimage.oci.model import LayerBlob, SealedImage
from mlimage.oci.store import Store
from mlimage.oci.tree import Tree
from mlimage.oci.untar import TarError, TarReader
from mlimage.plan.config import APP

_FIRST: Final = (f"{APP}/", "opt/mlimage/")
"""What people change by hand: their application, and what an image says of itself."""


def unpack_image(
    image: SealedImage, store: Store, folder: Path, *, advance: Callable[[int], None] = lambda _: None
) -> None:
    """Write the image's root file system into a folder.

    Files have the owners that the image says when this process is root's, else its own.

    Args:
        image: which.
        store: where its layers are.
        folder: an empty folder.
        advance: is told bytes of files that are written; their sum is at most the layers' uncompressed sizes.

    Raises:
        BuildError: a layer is missing or damaged, or has an entry that would be outside of the image.
        OSError: the folder cannot be written.
    """
    owners = os.geteuid() == 0
    unpack_layers(image.layers, store, folder, of=image.name, owners=owners, advance=advance)


def unpack_layers(
    layers: Sequence[LayerBlob],
    store: Store,
    folder: Path,
    *,
    of: str,
    owners: bool,
    verify: bool = False,
    advance: Callable[[int], None] = lambda _: None,
) -> tuple[int, ...]:
    """The same for layers that are no sealed image yet; gives the bytes of each one's tar.

    Args:
        layers: bottom first.
        store: where they are.
        folder: an empty folder.
        of: whose they are, for messages.
        owners: whether files have the owners that the layers say.
        verify: whether to hold each tar against its diff_id.
        advance: as above.
    """
    if next(folder.iterdir(), None) is not None:
        raise BuildError(f"`{folder}` is not empty")
    tree = Tree(folder, owners=owners)
    sizes: list[int] = []
    for layer in layers:
        tree.begin(layer.name)
        with open_layer(layer, store, verify=verify, most=UNPACKED - sum(sizes)) as stream:
            reader = TarReader(stream)
            try:
                for member in reader:
                    tree.place(member, reader.content)
                    if member.size:
                        advance(member.size)
            except TarError as error:
                stream.finish()  # whose error is the truer one
                raise BuildError(f"layer `{layer.name}` of `{of}` cannot be unpacked: {error}") from error
            stream.finish()
            sizes.append(stream.size)
    tree.finish()
    return tuple(sizes)


def unpacked(
    image: SealedImage, store: Store, cache: Cache, *, advance: Callable[[int], None] = lambda _: None
) -> Path:
    """The image's root file system in the cache, unpacked if it is not yet there, or was changed.

    What runs in it must not write to it: other runs use the same folder. Raises as `unpack_image` does.
    """
    folder = cache.unpacked / image.image_id.hex
    # Who cannot write to the cache runs what is there, at his own risk, as `Cache.in_use` lets him.
    if not is_unpacked(image, cache) and not (folder.is_dir() and not os.access(folder.parent, os.W_OK)):
        with cache.locked(f"unpacked-{image.image_id.hex}"):
            why = change_at_a_look(folder, cache.inventory(folder)) if folder.is_dir() else None
            if why:
                put_away(folder)
                if cache.inventory(folder).exists():  # else it is of an earlier mlimage, which noted nothing
                    message = f"the unpacked `{image.name}` is damaged, and is unpacked anew: {why}"
                    warnings.warn(MlimageWarning(message), stacklevel=2)
            if not folder.is_dir():
                with atomic_folder(folder) as partial:
                    unpack_image(image, store, partial, advance=advance)
                    write_inventory(cache.inventory(folder), take_inventory(partial), first=_FIRST)
    return folder


def is_unpacked(image: SealedImage, cache: Cache) -> bool:
    """Whether the image's root file system is in the cache, and at a look as it was written."""
    folder = cache.unpacked / image.image_id.hex
    return folder.is_dir() and change_at_a_look(folder, cache.inventory(folder)) is None


def put_away(tree: Path) -> None:
    """Take its name from an unpacked tree, and delete it; what runs in it runs on, and it goes afterwards."""
    with suppress(FileNotFoundError):
        tree.rename(tree.with_name(f"{PARTIAL}{secrets.token_hex(8)}"))
    with scratch_folder(tree.parent):
        pass  # it deletes what nobody uses


@contextmanager
def unpacked_in_use(
    image: SealedImage, store: Store, cache: Cache, *, advance: Callable[[int], None] = lambda _: None
) -> Iterator[Path]:
    """The same, and `mlimage cache prune` lets it be while the block runs."""
    while True:
        folder = unpacked(image, store, cache, advance=advance)
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            # It may have been pruned, and unpacked anew, between the look and the lock.
            if folder.is_dir() and os.path.samestat(os.fstat(descriptor), folder.stat()):
                yield folder
                return
        finally:
            os.close(descriptor)
