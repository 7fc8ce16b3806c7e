"""Two packages that write one path with different bytes: the layer above would win, so it is an error.

What a layer's packages write is listed when it is made, and the lists are held against each other once for
each set of layers. Files are compared, by reading both layers, only where a path stands in two of them.
"""

import hashlib
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from mlimage.atomic import note, write_atomically
from mlimage.content.entry import Entry, Kind
from mlimage.digest import Digest, canonical_json
from mlimage.errors import BuildError
from mlimage.oci.model import LayerBlob
from mlimage.oci.store import Store

_FASTEST: Final = 1
_HINT: Final = (
    "one of the two is not meant to be installed beside the other: remove it from the spec, "
    "or take a release of it that leaves this path alone"
)


class Listings:
    """What the packages of each layer write, by the key of the layer, in the folder of layer records."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has(self, key: Digest) -> bool:
        """Whether the layer's files are listed."""
        return self._file(key).is_file()

    def put(self, key: Digest, entries: Iterable[Entry]) -> None:
        """List the files and links of a layer; folders can be shared by any number of packages."""
        paths = "\0".join(entry.path for entry in entries if entry.kind is not Kind.DIRECTORY)
        write_atomically(self._file(key), zlib.compress(paths.encode(), _FASTEST))

    def check(self, layers: Sequence[tuple[Digest, LayerBlob]], store: Store) -> None:
        """Refuse layers of packages, each with its key, that write one path with different bytes.

        Raises:
            BuildError: names the layers and the path.
        """
        distinct = (
            self._folder / f"{Digest.of(canonical_json(sorted(key for key, _ in layers))).hex}.distinct"
        )
        if distinct.is_file():
            return
        owner: dict[str, LayerBlob] = {}
        shared: dict[str, list[LayerBlob]] = {}
        for key, blob in layers:
            for path in self._get(key):
                other = owner.setdefault(path, blob)
                if other is not blob:
                    shared.setdefault(path, [other]).append(blob)
        _refuse_files_for_folders(owner)
        _compare(shared, store)
        note(distinct, b"")

    def _get(self, key: Digest) -> list[str]:
        try:
            text = zlib.decompress(self._file(key).read_bytes()).decode()
        except (zlib.error, UnicodeDecodeError, FileNotFoundError) as error:
            self._file(key).unlink(missing_ok=True)
            raise BuildError(
                f"a list of files in the cache was damaged and is removed: `{self._file(key)}`",
                hint="build again",
            ) from error
        return text.split("\0") if text else []

    def _file(self, key: Digest) -> Path:
        return self._folder / f"{key.hex}.paths"


def _refuse_files_for_folders(owner: Mapping[str, LayerBlob]) -> None:
    folders = {path.rpartition("/")[0]: path for path in owner}
    for folder, path in folders.items():
        while folder:
            if folder in owner:
                raise BuildError(
                    f"`{owner[folder].name}` writes the file `/{folder}`, and `{owner[path].name}` writes "
                    f"`/{path}` below it",
                    hint=_HINT,
                )
            folder = folder.rpartition("/")[0]  # noqa: PLW2901 - up to the root


def _compare(shared: Mapping[str, Sequence[LayerBlob]], store: Store) -> None:
    contents: dict[Digest, dict[str, tuple[str, str]]] = {}
    # Bytecode last: of a module the source is named.
    for path, layers in sorted(shared.items(), key=lambda item: ("/__pycache__/" in item[0], item[0])):
        for layer in layers:
            if layer.diff_id not in contents:
                contents[layer.diff_id] = _digests(layer, store, frozenset(shared))
        first, *others = layers
        for other in others:
            if contents[first.diff_id].get(path) != contents[other.diff_id].get(path):
                raise BuildError(
                    f"`{first.name}` and `{other.name}` both write `/{path}`, with different content",
                    hint=_HINT,
                )


def _digests(layer: LayerBlob, store: Store, wanted: frozenset[str]) -> dict[str, tuple[str, str]]:
    """(target of a link, digest of a file) of the wanted paths of a layer."""
    from mlimage.oci.blobstream import open_layer
    from mlimage.oci.untar import TarError, TarReader

    found: dict[str, tuple[str, str]] = {}
    with open_layer(layer, store) as stream:
        reader = TarReader(stream)
        try:
            for member in reader:
                if member.path in wanted:
                    content = hashlib.sha256()
                    for piece in reader.content():
                        content.update(piece)
                    found[member.path] = (member.target, content.hexdigest())
        except TarError as error:
            stream.finish()  # whose error is the truer one
            raise BuildError(f"layer `{layer.name}` cannot be read: {error}") from error
        stream.finish()
    return found
