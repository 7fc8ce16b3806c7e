"""Archives of `docker save`, before they were OCI layouts too: `manifest.json`, and tars of layers."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mlimage.digest import Digest
from mlimage.document import read_document
from mlimage.errors import BuildError, UsageError
from mlimage.oci.files import Files
from mlimage.oci.found import FoundImage, StoredLayer, found_image
from mlimage.oci.layout import names_of, read_small

LISTING: Final = "manifest.json"
_ID: Final = re.compile(r"(?:\A|/)([0-9a-f]{64})(?:\.json)?\Z")
"""An image id in the name of a configuration: `ID.json`, `blobs/sha256/ID`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listed:
    config: str
    names: tuple[str, ...]
    layers: tuple[str, ...]


def find_in_docker_archive(files: Files, wanted: str, *, place: str) -> FoundImage:
    """The image in an archive. It has no manifest, and so no digest.

    Args:
        files: of the archive.
        wanted: empty for the only one, `:NAME` where `:latest` may be left out, or `@DIGEST`, its image id.
        place: where this is, in the user's words, for messages.

    Raises:
        UsageError: there is none, or none of that name, or several.
        BuildError: it is damaged.
    """
    listing = files(LISTING)
    if listing is None:
        raise UsageError(f"`{place}` holds no image: it has neither `index.json` nor `{LISTING}`")
    try:
        listed = _chosen(_listed(read_small(listing, place)), wanted, place)
        return _image(listed, files, place)
    except ValueError as error:
        raise BuildError(f"`{place}` holds no image that mlimage can read: {error}") from error


def _listed(text: bytes) -> tuple[_Listed, ...]:
    return tuple(
        _Listed(
            config=entry.get("Config").text(),
            names=names_of(*entry.get("RepoTags").texts()),
            layers=entry.get("Layers").texts(),
        )
        for entry in read_document(text).items()
    )


def _chosen(images: Sequence[_Listed], wanted: str, place: str) -> _Listed:
    name = wanted[1:]
    if wanted.startswith("@"):
        fitting = [image for image in images if _told_id(image) == Digest(name).hex]
    else:
        fitting = [image for image in images if not wanted or {name, f"{name}:latest"} & set(image.names)]
    if len({image.config for image in fitting}) == 1:
        return fitting[0]
    if not images:
        raise UsageError(f"`{place}` holds no image")
    typed = [
        f"`{place}:{image.names[0]}`" if image.names else f"`{place}@sha256:{_told_id(image)}`"
        for image in (fitting or images)[:10]
    ]
    raise UsageError(
        f"`{place}` holds several images" if fitting else f"no image `{name}` in `{place}`",
        hint="say which: " + ", ".join(typed),
    )


def _told_id(image: _Listed) -> str:
    found = _ID.search(image.config)
    return found[1] if found else ""


def _image(listed: _Listed, files: Files, place: str) -> FoundImage:
    config = files(listed.config)
    if config is None:
        raise BuildError(f"`{place}` lacks `{listed.config}`", hint="have it written again, whole")
    text = read_small(config, place)
    told = _told_id(listed)
    if told and Digest.of(text).hex != told:
        raise BuildError(f"`{place}` is damaged: its `{listed.config}` has another digest")
    layers = []
    for name in listed.layers:
        file = files(name)
        if file is None:
            raise BuildError(f"`{place}` lacks `{name}`", hint="have it written again, whole")
        layers.append(StoredLayer(name="", digest=None, media_type=None, size=file.size, open=file.open))
    return found_image(text, layers, name=place, digest=None)
