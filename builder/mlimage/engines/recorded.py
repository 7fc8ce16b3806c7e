"""`digests.toml`: what a build gave is held against what was recorded for the same inputs."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from mlimage.engines.layers import BuiltLayer
from mlimage.errors import BuildError
from mlimage.lock.records import Record
from mlimage.oci.blobstream import open_layer
from mlimage.oci.layer import repack
from mlimage.oci.outgoing import DamagedError
from mlimage.oci.records import LayerRecords
from mlimage.oci.store import Store
from mlimage.plan.model import BaseLayer, BuildPlan, Layer, LibraryLayer, PackageLayer, PulledLayer
from mlimage.progress import Progress


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


class MispackedError(BuildError):
    """A layer that does not unpack to what went into it: the machine made a mistake. It is forgotten."""


def repaired(
    layers: Sequence[BuiltLayer],
    recorded: Sequence[Record],
    *,
    plan: BuildPlan,
    packed: LayerRecords,
    store: Store,
    progress: Progress,
) -> tuple[BuiltLayer, ...]:
    """The layers, those packed once more whose content is as recorded, and whose packed bytes are not.

    The compressor gives the same bytes on every machine, but a processor or memory may err: with a layer of
    torch it was seen once in some hundred builds. What the second time gives is taken if it is what was
    recorded, and a warning says so; else the layer stays as it is, for `compare` to refuse.

    Args:
        layers: what a build gave.
        recorded: what was recorded for the same inputs.
        plan: of the build.
        packed: where the results of layers are kept, which learn the new ones.
        store: where the layers are.
        progress: gets the warning.

    Raises:
        MispackedError: a layer has to be made anew.
    """
    expected = {record.key: record for record in recorded}

    def settle(layer: BuiltLayer) -> BuiltLayer:
        record = expected.get(layer.key)
        if (
            record is None
            or not layer.here
            or isinstance(layer.layer, PulledLayer)  # its registry packed it
            or record.diff_id != layer.blob.diff_id
            or record.digest == layer.blob.blob.digest
        ):
            return layer
        again = repack(layer.blob, plan.compression, store)
        if again.blob.digest != record.digest:
            return layer
        packed.put(layer.key, again)
        progress.warn(
            f"layer `{again.name}` of `{plan.name}` was packed into other bytes than recorded, and, "
            "once more, into those recorded: the memory or the processor of this machine may be faulty"
        )
        return replace(layer, blob=again)

    return _unpacked(layers, settle, plan=plan, packed=packed)


def check_packed(
    layers: Sequence[BuiltLayer], *, plan: BuildPlan, packed: LayerRecords, store: Store
) -> None:
    """Unpack what is to be recorded: all other machines will be held against that.

    Raises:
        MispackedError: a layer has to be made anew.
    """

    def check(layer: BuiltLayer) -> BuiltLayer:
        if comes_from_lock(layer.layer) and not isinstance(layer.layer, PulledLayer):
            with open_layer(layer.blob, store, verify=True) as stream:
                stream.finish()
        return layer

    _unpacked(layers, check, plan=plan, packed=packed)


def _unpacked(
    layers: Sequence[BuiltLayer],
    work: Callable[[BuiltLayer], BuiltLayer],
    *,
    plan: BuildPlan,
    packed: LayerRecords,
) -> tuple[BuiltLayer, ...]:
    """What becomes of each layer; all that do not unpack are forgotten, and the first of them is an error."""
    found = []
    failed: MispackedError | None = None
    for layer in layers:
        try:
            found.append(work(layer))
        except DamagedError as error:
            packed.forget(layer.key)
            if failed is None:
                failed = MispackedError(
                    f"layer `{layer.layer.name}` of `{plan.name}` does not unpack to what went into it",
                    hint="the memory or the processor of this machine may be faulty",
                )
                failed.__cause__ = error
    if failed:
        raise failed
    return tuple(found)


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
