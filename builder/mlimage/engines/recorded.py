"""`digests.toml`: what a build gave is held against what was recorded for the same inputs."""

from collections.abc import Sequence

from mlimage.engines.layers import BuiltLayer
from mlimage.errors import BuildError
from mlimage.lock.records import Record
from mlimage.plan.model import BaseLayer, LibraryLayer, PackageLayer


def records_of(layers: Sequence[BuiltLayer], tag: str) -> tuple[Record, ...]:
    """What there is to record: every layer that comes from the lock, bottom first."""
    return tuple(
        Record(
            tags=(tag,),
            layer=built.layer.name,
            key=built.key,
            diff_id=built.blob.diff_id,
            digest=built.blob.blob.digest,
            size=built.blob.blob.size,
        )
        for built in layers
        if isinstance(built.layer, BaseLayer | LibraryLayer | PackageLayer)
    )


def compare(recorded: Sequence[Record], built: Sequence[Record], *, name: str) -> tuple[str, ...]:
    """Hold a build against the record; returns the names of layers whose inputs the record does not know.

    Raises:
        BuildError: a layer was made of the recorded inputs, and has other bytes.
    """
    known = {record.key: record for record in recorded}
    for record in built:
        before = known.get(record.key)
        if before is None:
            continue
        what = "content" if before.diff_id != record.diff_id else "compressed bytes"
        was, now = (before.diff_id, record.diff_id) if what == "content" else (before.digest, record.digest)
        if was == now:
            continue
        raise BuildError(
            f"layer `{record.layer}` of `{name}` has other {what} than recorded: expected {was}, got {now}",
            hint="the same inputs gave other bytes: report this as a defect of mlimage, or, where its "
            f"version changed on purpose, record anew with `mlimage build {name.partition(':')[0]} --record`",
        )
    return tuple(record.layer for record in built if record.key not in known)
