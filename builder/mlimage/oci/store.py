"""The local store: an OCI image layout folder that many processes may use at once.

A blob is written under another name and renamed, so it is whole or not there; only `index.json` changes,
under a lock.
"""

import fcntl
import json
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlimage.atomic import atomic_file
from mlimage.digest import Digest, canonical_json
from mlimage.document import DocumentError, Node, read_document
from mlimage.errors import BuildError, MlimageWarning
from mlimage.oci.blobs import BlobWriter
from mlimage.oci.builds import REF_NAME, Build, Entries, builds_of, key_of, keyed, own, tag
from mlimage.oci.configuration import Configuration, read_configuration
from mlimage.oci.model import INDEX, Descriptor, SealedImage
from mlimage.oci.outgoing import DamagedError, Outgoing, damaged, is_stamped, stamp
from mlimage.oci.read import read_descriptor, read_entry, read_image

LAYOUT: Final = b'{"imageLayoutVersion":"1.0.0"}'
MAX_JSON: Final = 16 << 20
"""Bytes of the largest document that is read; registries take 4 MiB."""
_PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Store:
    """Sealed images in a folder. Making one touches nothing; the folder appears with the first blob."""

    folder: Path

    @property
    def blobs(self) -> Path:
        """The folder of blobs."""
        return self.folder / "blobs" / "sha256"

    def blob(self, digest: Digest) -> Path:
        """Where the blob with this digest lies, or will."""
        return self.blobs / digest.hex

    def has(self, digest: Digest) -> bool:
        """Whether the blob is there."""
        return self.blob(digest).is_file()

    def holds(self, blob: Descriptor) -> bool:
        """Whether the blob is there with its right size; `is_sound` looks closer."""
        try:
            return self.blob(blob.digest).stat().st_size == blob.size
        except FileNotFoundError:
            return False

    def is_sound(self, blob: Descriptor, *, name: str | None = None) -> bool:
        """Whether the blob is there, and nobody wrote into it since it was last read whole.

        One that somebody wrote into is read; if it is damaged, a warning says so, with the name of the layer
        that it is, and it is there no more.
        """
        path = self.blob(blob.digest)
        try:
            before = path.stat()
            right = before.st_size == blob.size
            if right and is_stamped(before, blob.digest):
                return True
            if Digest.of_file(path) == blob.digest:
                if path.stat().st_mtime_ns == before.st_mtime_ns:
                    stamp(path, blob.digest)
                return right  # else who says that it has another size is wrong, and the blob is not damaged
        except FileNotFoundError:
            return False
        error = damaged(path, blob.digest, name=name, read=before)
        warnings.warn(MlimageWarning(f"{error.message}; it is built or pulled again"), stacklevel=2)
        return False

    def open(self, blob: Descriptor, *, name: str | None = None) -> Outgoing:
        """The bytes of a blob, verified: the last ones come only when all are right.

        Args:
            blob: which.
            name: of the layer that it is, for messages.

        Raises:
            BuildError: it is not there; while it is read: it is damaged.
        """
        try:
            return Outgoing(self.blob(blob.digest), blob, name=name)
        except FileNotFoundError:
            what = f"layer `{name}`: {blob.digest}" if name else blob.digest
            raise BuildError(
                f"the store lacks {what}", hint="build the image again, or pull it again"
            ) from None

    def check(self, blob: Descriptor, *, name: str | None = None) -> None:
        """Read a blob for nothing but its digest; raises as `open` does."""
        with self.open(blob, name=name) as stream:
            while stream.read(_PIECE):
                pass

    def blob_writer(self) -> BlobWriter:
        """A writer for a blob whose digest is not known before it is whole."""
        return BlobWriter(self.blobs)

    def put(self, content: bytes, media_type: str) -> Descriptor:
        """Store a small blob; raises `OSError` when the folder cannot be written."""
        blob = Descriptor(media_type=media_type, digest=Digest.of(content), size=len(content))
        path = self.blob(blob.digest)
        if not (self.holds(blob) and path.read_bytes() == content):
            with self.blob_writer() as writer:
                writer.write(content)
                writer.commit(media_type)
        return blob

    def read(self, blob: Descriptor) -> bytes:
        """The bytes of a small blob, verified.

        Raises:
            BuildError: it is not there, or damaged.
        """
        path = self.blob(blob.digest)
        try:
            with path.open("rb") as stream:
                content = stream.read(MAX_JSON + 1)
        except FileNotFoundError:
            raise BuildError(
                f"the store lacks {blob.digest}",
                hint="build the image again, or pull it again; `mlimage cache verify` tells what else is "
                "missing",
            ) from None
        if Digest.of(content) != blob.digest:
            raise DamagedError(
                f"the store's {blob.digest} is damaged", hint="build the image again, or pull it again"
            )
        return content

    def load(self, manifest: Descriptor, *, name: str | None = None) -> SealedImage:
        """The image of a manifest in the store.

        Raises:
            BuildError: manifest or configuration are not there, damaged, or no image.
        """
        text = self.read(manifest)
        try:
            config = read_descriptor(read_document(text).get("config"))
            return read_image(manifest, text, self.read(config), name=name)
        except ValueError as error:
            raise BuildError(
                f"{manifest.digest} in the store is no image that mlimage can read: {error}"
            ) from error

    def configuration(self, image: SealedImage) -> Configuration:
        """What an image's configuration says.

        Raises:
            BuildError: it is not there, damaged, or none.
        """
        try:
            return read_configuration(self.read(image.config))
        except DocumentError as error:
            raise BuildError(f"the configuration of `{image.name}` cannot be read: {error}") from error

    def tags(self) -> dict[str, Descriptor]:
        """The manifests of all images that have a name, by name.

        Raises:
            BuildError: the index is damaged.
        """
        named = ((entry.annotations.get(REF_NAME), entry.blob) for entry in map(read_entry, self._index()))
        return dict(sorted((name, blob) for name, blob in named if name))

    def images(self) -> tuple[SealedImage, ...]:
        """All images that have a name, in its order; raises `BuildError` when one is damaged."""
        return tuple(self.load(manifest, name=name) for name, manifest in self.tags().items())

    def builds(self) -> tuple[Build, ...]:
        """All images that have a name, or had one and were not pruned since; raises as `tags` does."""
        return builds_of(map(read_entry, self._index()))

    def tag(self, image: SealedImage, *, project: Path | None = None) -> None:
        """Let the image's name mean this image; the one that it meant stays listed until it is pruned.

        A warning says so where that is of other projects.

        Args:
            image: all of it is in the store.
            project: the folder of the project that it is of.
        """
        self.ready()
        with self._locked():
            entries = self._entries()
            before = next((each for each in self.builds() if each.named and each.name == image.name), None)
            tag(entries, image, project=project)
            self._write(entries)
        if (
            before
            and project
            and before.manifest.digest != image.digest
            and str(project) not in before.projects
        ):
            for owner in before.owners[:1]:
                warnings.warn(
                    MlimageWarning(
                        f"`{image.name}` in the store meant the image of `{owner}`, and means this one now; "
                        "each project still runs its own"
                    ),
                    stacklevel=2,
                )

    def take_up(self, image: SealedImage, project: Path) -> None:
        """Note that an image of the store is the one of this project, whatever its name means."""
        with self._locked():
            entries = self._entries()
            own(entries, image, project)
            self._write(entries)

    def forget(self, *builds: Build) -> None:
        """List these images no more; their blobs stay."""
        gone = {key_of(build) for build in builds}
        with self._locked():
            self._write({key: entry for key, entry in self._entries().items() if key not in gone})

    def ready(self) -> None:
        """Make the folder an OCI layout."""
        layout = self.folder / "oci-layout"
        if not layout.is_file():
            with atomic_file(layout) as stream:
                stream.write(LAYOUT)

    def _index(self) -> tuple[Node, ...]:
        path = self.folder / "index.json"
        try:
            entries = read_document(path.read_bytes()).get("manifests").need().items()
            for entry in entries:
                read_entry(entry)
        except FileNotFoundError:
            return ()
        except DocumentError:
            raise BuildError(
                f"the index of the store is damaged: `{path}`",
                hint="delete that file, and build the images again",
            ) from None
        return entries

    def _entries(self) -> Entries:
        return keyed(entry.value for entry in self._index())

    def _write(self, entries: Entries) -> None:
        after = [entries[key] for key in sorted(entries)]
        before = [entry.value for entry in self._index()]
        if json.dumps(after, sort_keys=True) == json.dumps(before, sort_keys=True) and after:
            return
        with atomic_file(self.folder / "index.json", durable=True) as stream:
            stream.write(canonical_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": after}))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
