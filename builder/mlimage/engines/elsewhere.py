"""Layers that need not be made: another place has what was recorded for the same inputs.

A place is trusted for nothing but having bytes: which bytes a layer has, `digests.toml` says.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from mlimage.digest import Digest
from mlimage.lock.records import Record
from mlimage.oci.compress import codec_of
from mlimage.oci.model import Descriptor, LayerBlob
from mlimage.plan.model import BuildPlan, PackageLayer, PulledLayer


class Elsewhere(Protocol):
    """Where layers may be that the store lacks."""

    def find(self, blobs: Sequence[Descriptor]) -> frozenset[Digest]:
        """Which of these need not be made: they were brought into the store, or may stay where they are."""


def recorded_layers(
    plan: BuildPlan, keys: Mapping[str, Digest], records: Sequence[Record]
) -> dict[str, LayerBlob]:
    """The planned layers of which it is recorded what they gave, by name.

    Args:
        plan: the image.
        keys: of its layers, by name.
        records: of its lock.
    """
    known = {record.key: record for record in records}
    found = {}
    for layer in plan.layers:
        record = known.get(keys[layer.name])
        if record is None:
            continue
        media_type = (
            layer.layer.media_type
            if isinstance(layer, PulledLayer)
            else codec_of(plan.compression).media_type
        )
        found[layer.name] = LayerBlob(
            name=layer.name,
            diff_id=record.diff_id,
            blob=Descriptor(media_type=media_type, digest=record.digest, size=record.size),
            uncompressed_size=record.unpacked,
        )
    return found


def stood_together(plan: BuildPlan, keys: Mapping[str, Digest], records: Sequence[Record]) -> bool:
    """Whether the layers of packages are those of the image that was recorded.

    It was recorded only after they had been held against each other, so that needs not be done again.
    """
    tag = str(plan.tag)
    recorded = {record.key for record in records if tag in record.tags}
    return all(keys[layer.name] in recorded for layer in plan.layers if isinstance(layer, PackageLayer))
