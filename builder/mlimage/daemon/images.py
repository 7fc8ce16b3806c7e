"""Images as an engine knows them: found by what is in them, named, and never left half-made."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from mlimage.daemon.connect import Client, translated
from mlimage.errors import RunError
from mlimage.oci.archive import docker_reference
from mlimage.oci.model import SealedImage

_REFERENCE: Final = re.compile(
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*:\w[\w.-]{0,127}",
    re.ASCII,
)
"""https://github.com/distribution/reference, without the host of a registry."""


def reference_of(image: SealedImage) -> str:
    """What the engine will call the image: `NAME:VARIANT`.

    Raises:
        RunError: engines take no such name.
    """
    reference = docker_reference(image.name)
    if not _REFERENCE.fullmatch(reference):
        raise RunError(
            f"`{image.name}` is no name that Docker takes",
            hint="rename it: lower-case letters and digits, joined by `.`, `_` or `-`",
        )
    return reference


def find(client: Client, image: SealedImage, names: Iterable[str] = ()) -> str | None:
    """The id by which the engine knows the image, None when it lacks it.

    In the classic store an image's id is the digest of its configuration, in containerd's that of its
    manifest, which another packer of the same layers may have written: the layers decide.

    Args:
        client: the connection to the engine.
        image: the image.
        names: where it may lie besides.

    Raises:
        RunError: the engine does not say.
    """
    layers = [layer.diff_id for layer in image.layers]
    for name in (image.image_id, image.digest, *names):
        known = get(client, name)
        if known is not None and known.attrs["RootFS"]["Layers"] == layers:
            identity: str = known.id
            return identity
    return None


def get(client: Client, name: str) -> Any:
    """The engine's image of this name or id, None when there is none; raises `RunError`."""
    from docker.errors import ImageNotFound

    with translated(f"cannot ask the engine for `{name}`"):
        try:
            return client.images.get(name)
        except ImageNotFound:
            return None


def name(client: Client, identity: str, reference: str) -> None:
    """Let the engine's `reference` mean this image; raises `RunError`."""
    known = get(client, reference)
    if known is None or known.id != identity:
        repository, _, tag = reference.rpartition(":")
        with translated(f"cannot name the image `{reference}`"):
            client.api.tag(identity, repository, tag)


def forget(client: Client, reference: str) -> None:
    """Let a reference mean nothing any more; an image without another one goes. Quiet: it tidies up."""
    from docker.errors import ImageNotFound

    with suppress(RunError, ImageNotFound), translated(f"cannot remove `{reference}`"):
        client.api.remove_image(reference)


@contextmanager
def unchanged_on_failure(client: Client, reference: str) -> Iterator[None]:
    """When the block fails a reference means what it did before: engines name an image, then unpack it."""
    before = get(client, reference)
    try:
        yield
    except BaseException:
        with suppress(RunError):
            after = get(client, reference)
            if after is not None and (before is None or after.id != before.id):
                forget(client, reference)
                if before is not None:
                    name(client, before.id, reference)
        raise
