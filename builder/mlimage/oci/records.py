"""What was packed before, by the key of its inputs, so that it is not packed again."""

from dataclasses import dataclass
from pathlib import Path

from mlimage.atomic import write_atomically
from mlimage.digest import Digest, canonical_json
from mlimage.document import read_document
from mlimage.oci.model import Descriptor, LayerBlob
from mlimage.oci.store import Store


@dataclass(frozen=True, slots=True)
class LayerRecords:
    """Records of layers, one small file each; a record counts only while its blob is there, and sound."""

    folder: Path
    store: Store

    def get(self, key: Digest) -> LayerBlob | None:
        """The layer that these inputs gave, if it is still there; a damaged record counts as none."""
        try:
            layer = parse_record((self.folder / f"{key.hex}.json").read_bytes())
        except (OSError, ValueError):
            return None
        return layer if self.store.is_sound(layer.blob, name=layer.name) else None

    def put(self, key: Digest, layer: LayerBlob) -> None:
        """Record what the inputs gave."""
        write_atomically(self.folder / f"{key.hex}.json", record_of(layer))

    def forget(self, key: Digest) -> None:
        """Let these inputs be packed anew."""
        (self.folder / f"{key.hex}.json").unlink(missing_ok=True)


def record_of(layer: LayerBlob) -> bytes:
    """The text form of a record: canonical JSON."""
    return canonical_json(
        {
            "name": layer.name,
            "diff_id": layer.diff_id,
            "digest": layer.blob.digest,
            "media_type": layer.blob.media_type,
            "size": layer.blob.size,
            "uncompressed_size": layer.uncompressed_size,
        }
    )


def parse_record(text: bytes) -> LayerBlob:
    """The layer that a record tells of; raises `ValueError` for anything that is no record."""
    said = read_document(text)
    return LayerBlob(
        name=said.get("name").text(),
        diff_id=said.get("diff_id").digest(),
        blob=Descriptor(
            media_type=said.get("media_type").text(),
            digest=said.get("digest").digest(),
            size=said.get("size").size(),
        ),
        uncompressed_size=said.get("uncompressed_size").size(),
    )
