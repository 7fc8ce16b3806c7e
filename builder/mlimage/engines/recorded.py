"""`digests.toml`: what a build gave is held against what was recorded for the same inputs."""

from collections.abc import Iterator, Sequence

from mlimage.engines.layers import BuiltLayer
from mlimage.errors import BuildError
from mlimage.lock.records import Record
from mlimage.plan.model import BaseLayer, Layer, LibraryLayer, PackageLayer, PulledLayer


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
            unpacked=built.blob.uncompressed_size,
        )
        for built in layers
        if comes_from_lock(built.layer)
    )


def comes_from_lock(layer: Layer) -> bool:
    """Whether all of a layer is named by the lock; others are of the project, or of steps."""
    return isinstance(layer, BaseLayer | PulledLayer | LibraryLayer | PackageLayer)


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
        differing = [(what, was, now) for what, was, now in _facts(before, record) if was != now]
        if not differing:
            continue
        what, was, now = differing[0]
        raise BuildError(
            f"layer `{record.layer}` of `{name}` has other {what} than recorded: expected {was}, got {now}",
            hint="the same inputs gave other bytes: report this as a defect of mlimage, or, where its "
            f"version changed on purpose, record anew with `mlimage build {name.partition(':')[0]} --record`",
        )
    return tuple(record.layer for record in built if record.key not in known)


def _facts(before: Record, record: Record) -> Iterator[tuple[str, object, object]]:
    """What two records of the same inputs must agree in, the cause before what follows of it."""
    yield "content", before.diff_id, record.diff_id
    yield "compressed bytes", before.digest, record.digest
    yield "size", (before.size, before.unpacked), (record.size, record.unpacked)
