"""The planned layers: those whose inputs were packed before are known, an engine makes the others."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache as once
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mlimage.cache import Cache
from mlimage.content.entry import Entry
from mlimage.digest import Digest
from mlimage.engines.elsewhere import Elsewhere, recorded_layers, stood_together
from mlimage.engines.links import check_links
from mlimage.engines.own import (
    OwnLayer,
    covered,
    key_of_own,
    large_files,
    own_files,
    said_of_app,
    unstartable_scripts,
)
from mlimage.engines.steps import key_of_steps
from mlimage.engines.together import Together
from mlimage.lock.records import Record
from mlimage.oci.model import LayerBlob
from mlimage.oci.records import LayerRecords
from mlimage.oci.store import Store
from mlimage.plan.model import AppLayer, BuildPlan, Layer, StepsLayer
from mlimage.progress import NOTHING, Progress

if TYPE_CHECKING:
    from mlimage.lock.inputs import Inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What an engine has to do, and with what.

    Attributes:
        plan: what to build.
        missing: the layers to make.
        known: the others, by name.
        folder: the image's folder in the project.
        own: files of the layers that no lock names, by name of the layer, as they should be.
        inputs: opens what gives the locked files.
        together: holds the packages against each other.
        cache: where unpacked bases are kept.
        store: where the layers go.
        progress: where it is shown.
        jobs: how many layers are made at once; None for one per core.
    """

    plan: BuildPlan
    missing: tuple[Layer, ...]
    known: Mapping[str, LayerBlob]
    folder: Path
    own: Mapping[str, Sequence[Entry]]
    inputs: "Callable[[], Inputs]"
    together: Together
    cache: Cache
    store: Store
    progress: Progress
    jobs: int | None


Engine = Callable[[Job], Iterator[tuple[str, LayerBlob]]]
"""Makes the missing layers of a job in its store: each one's name and blob, as they get done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltLayer:
    """A planned layer.

    Attributes:
        layer: as planned.
        key: of its inputs.
        blob: what they gave.
        made: whether it was made now, or known before.
        here: whether the store has it; else it is where an `Elsewhere` found it.
    """

    layer: Layer
    key: Digest
    blob: LayerBlob
    made: bool
    here: bool = True


def make_layers(
    plan: BuildPlan,
    *,
    folder: Path,
    engine: Engine,
    fresh: bool = False,
    recorded: Sequence[Record] = (),
    elsewhere: Elsewhere | None = None,
    inputs: "Callable[[], Inputs]",
    cache: Cache,
    store: Store,
    progress: Progress,
    jobs: int | None = None,
) -> tuple[BuiltLayer, ...]:
    """The planned layers, bottom first: in the store, or elsewhere.

    Args:
        plan: what to build.
        engine: makes what is not known.
        fresh: the steps run again, though what they left is known.
        recorded: what was recorded of the lock's layers.
        elsewhere: where those of them may be that the store lacks.
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
    records = LayerRecords(cache.layers, store)
    own = {layer.name: own_files(layer, plan, folder) for layer in plan.layers if isinstance(layer, OwnLayer)}
    for warning in (one for entries in own.values() for one in large_files(entries)):
        progress.warn(warning)
    apps = [layer for layer in plan.layers if isinstance(layer, AppLayer)]
    for warning in (one for app in apps for one in unstartable_scripts(own[app.name], app, folder)):
        progress.warn(warning)
    for hidden in (one for app in apps for one in covered(app, folder)):
        progress.note(hidden)
    keys = {
        layer.name: key_of_own(own[layer.name], plan.compression)
        if isinstance(layer, OwnLayer)
        else layer.key
        for layer in plan.layers
        if not isinstance(layer, StepsLayer)
    }
    steps = [layer.name for layer in plan.layers if isinstance(layer, StepsLayer)]
    keys |= {name: key_of_steps(plan, keys, folder) for name in steps}
    together = Together(plan, cache, progress)
    checked = stood_together(plan, keys, recorded)
    if checked:
        together.check_noted()
    else:
        together.check_at_hand()
    known = {name: records.get(key) for name, key in keys.items()}
    again = steps if fresh else []
    blobs = {
        name: replace(blob, name=name)
        for name, blob in known.items()
        if blob is not None and name not in again
    }
    away = set()
    if elsewhere:
        wanted = {
            name: blob for name, blob in recorded_layers(plan, keys, recorded).items() if name not in blobs
        }
        found = elsewhere.find([blob.blob for blob in wanted.values()]) if wanted else frozenset()
        for name, blob in wanted.items():
            if blob.blob.digest in found:
                blobs[name] = blob
                records.put(keys[name], blob)  # it counts when the store has it
                if not store.holds(blob.blob):
                    away.add(name)
    missing = [layer for layer in plan.layers if layer.name not in blobs]
    for app in apps:
        if ignored := said_of_app(app, folder):
            (progress.note if app in missing else progress.detail)(ignored)
    opened = once(inputs)
    if missing:
        job = Job(
            plan=plan,
            missing=tuple(missing),
            known=dict(blobs),
            folder=folder,
            own=own,
            inputs=opened,
            together=together,
            cache=cache,
            store=store,
            progress=progress,
            jobs=jobs,
        )
        for name, blob in engine(job):
            records.put(keys[name], blob)
            blobs[name] = blob
    if not checked and not together.done:
        together.check(partial(opened().get, task=NOTHING))
    check_links(plan, own, blobs, away=away, store=store, known=cache.layers, progress=progress)
    made = {layer.name for layer in missing}
    return tuple(
        BuiltLayer(
            layer=layer,
            key=keys[layer.name],
            blob=blobs[layer.name],
            made=layer.name in made,
            here=layer.name not in away,
        )
        for layer in plan.layers
    )
