"""The direct engine: locked wheels and debs to layers, without Docker, root or a daemon.

Each layer is made by one job: fetch its inputs, list their files, compile bytecode, and pack it all in one
streaming pass. A layer whose inputs were packed before is not made again.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlimage.cache import Cache
from mlimage.digest import Digest
from mlimage.engines.collisions import Listings
from mlimage.engines.own import key_of_own, large_files, own_files
from mlimage.errors import BuildError
from mlimage.oci.model import LayerBlob
from mlimage.oci.records import LayerRecords
from mlimage.oci.store import Store
from mlimage.plan.model import AppLayer, BuildPlan, Layer, PackageLayer, RuntimeLayer
from mlimage.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlimage.lock.inputs import Inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltLayer:
    """A planned layer, the key of its inputs, what they gave, and whether it was made now or known before."""

    layer: Layer
    key: Digest
    blob: LayerBlob
    made: bool


def make_layers(
    plan: BuildPlan,
    *,
    folder: Path,
    inputs: "Callable[[], Inputs]",
    cache: Cache,
    store: Store,
    progress: Progress,
    jobs: int | None = None,
) -> tuple[BuiltLayer, ...]:
    """Make the planned layers in the store, bottom first.

    Args:
        plan: what to build.
        folder: the image's folder in the project, which the application's source is relative to.
        inputs: opens what gives the locked files; it is called only when a layer has to be made.
        cache: where results of layers and the unpacked base are kept.
        store: where the layers go.
        progress: where it is shown.
        jobs: how many layers are made at once; by default one per core.

    Raises:
        BuildError: a layer cannot be made.
        FetchError: an input cannot be had, or is not what was locked.
    """
    if plan.needs_docker:
        raise BuildError(
            f"`{plan.image}:{plan.variant}` cannot be built without Docker: {plan.needs_docker}",
            hint="build it with `--engine docker`",
        )
    records = LayerRecords(cache.layers, store)
    own = {
        layer.name: own_files(layer, plan, folder)
        for layer in plan.layers
        if isinstance(layer, RuntimeLayer | AppLayer)
    }
    for warning in (one for entries in own.values() for one in large_files(entries)):
        progress.note(f"warning: {warning}")
    keys = {
        layer.name: key_of_own(own[layer.name], plan.compression)
        if isinstance(layer, RuntimeLayer | AppLayer)
        else layer.key
        for layer in plan.layers
    }
    listings = Listings(cache.layers)
    listed = {layer.name for layer in plan.layers if isinstance(layer, PackageLayer)}
    known = {name: records.get(key) for name, key in keys.items() if name not in listed or listings.has(key)}
    blobs = {name: replace(blob, name=name) for name, blob in known.items() if blob is not None}
    missing = [layer for layer in plan.layers if layer.name not in blobs]
    if missing:
        from mlimage.engines.work import Work  # not needed when nothing changed, and slow to import

        work = Work(
            plan,
            own=own,
            inputs=inputs(),
            listings=listings,
            cache=cache,
            store=store,
            progress=progress,
            jobs=jobs,
        )
        for name, blob in work.make(missing):
            records.put(keys[name], blob)
            blobs[name] = blob
    listings.check([(keys[name], blobs[name]) for name in sorted(listed)], store)
    made = {layer.name for layer in missing}
    return tuple(
        BuiltLayer(layer=layer, key=keys[layer.name], blob=blobs[layer.name], made=layer.name in made)
        for layer in plan.layers
    )
