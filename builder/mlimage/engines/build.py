"""One image from its spec and lock to the store."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlimage.cache import Cache
from mlimage.engines.elsewhere import Elsewhere
from mlimage.engines.layers import BuiltLayer, Engine, make_layers
from mlimage.engines.recorded import MispackedError, check_packed, compare, records_of, repaired
from mlimage.engines.stepfiles import Compared, compare_steps, label_of, record_steps
from mlimage.lock.records import read_digests, write_digests
from mlimage.oci.model import SealedImage
from mlimage.oci.records import LayerRecords
from mlimage.oci.seal import seal
from mlimage.oci.store import Store
from mlimage.plan.model import BuildPlan
from mlimage.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlimage.lock.inputs import Inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What a build gave.

    Attributes:
        image: the sealed image.
        layers: bottom first.
        unrecorded: names of the layers of which nothing is recorded, or of other inputs.
        differing: paths that the steps left otherwise than was recorded.
    """

    image: SealedImage
    layers: tuple[BuiltLayer, ...]
    unrecorded: tuple[str, ...]
    differing: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether all of the image is in the store."""
        return all(layer.here for layer in self.layers)


def build_image(
    plan: BuildPlan,
    *,
    folder: Path,
    lock_folder: Path,
    project: Path | None = None,
    record: bool,
    strict: bool = False,
    engine: Engine,
    fresh: bool = False,
    elsewhere: Elsewhere | None = None,
    inputs: "Callable[[], Inputs]",
    cache: Cache,
    store: Store,
    progress: Progress,
    jobs: int | None = None,
) -> Built:
    """Build the planned image, hold it against `digests.toml`, and only then give it its name in the store.

    An image of which a layer stayed elsewhere gets no name: nobody could run it here.

    Args:
        plan: what to build.
        folder: the image's folder in the project.
        lock_folder: the folder of its lock.
        project: the project's folder, for the store to note whose image it is.
        record: note what the layers gave in the folder of the lock instead of comparing.
        strict: steps that left something else than was recorded are an error.
        engine: makes the layers that are not known.
        fresh: the steps run again, though what they left is known.
        elsewhere: where layers may be that the store lacks; what is to be recorded is not looked for there.
        inputs: opens what gives the locked files; it is called only when a layer has to be made.
        cache: where results of layers are kept.
        store: where the image goes.
        progress: where it is shown.
        jobs: how many layers are made at once; by default one per core.

    Raises:
        BuildError: a layer cannot be made, or has other bytes than were recorded for the same inputs; or,
            with `strict`, steps are not shown to be reproducible.
        FetchError: an input cannot be had, or is not what was locked.
    """
    recorded = () if record else read_digests(lock_folder)
    packed = LayerRecords(cache.layers, store)

    def make() -> tuple[BuiltLayer, ...]:
        layers = make_layers(
            plan,
            folder=folder,
            engine=engine,
            fresh=fresh,
            recorded=recorded,
            elsewhere=None if record else elsewhere,
            inputs=inputs,
            cache=cache,
            store=store,
            progress=progress,
            jobs=jobs,
        )
        if record:
            check_packed(layers, plan=plan, packed=packed, store=store)
            return layers
        return repaired(layers, recorded, plan=plan, packed=packed, store=store, progress=progress)

    try:
        layers = make()
    except MispackedError as error:
        progress.warn(f"{error.message}: it is made once more; {error.hint}")
        layers = make()
    tag = str(plan.tag)
    built = records_of(layers, tag)
    unrecorded: tuple[str, ...] = ()
    steps = Compared()
    if record:
        write_digests(lock_folder, tag, built)
        record_steps(plan, layers, store, lock_folder)
    else:
        unrecorded = compare(recorded, built, name=plan.name)
        steps = compare_steps(plan, layers, store, lock_folder, strict=strict)
    if steps.differing:
        labels = tuple(sorted([*plan.config.labels, label_of(steps.differing)]))
        plan = replace(plan, config=replace(plan.config, labels=labels))
    absent = frozenset(layer.blob.blob.digest for layer in layers if not layer.here)
    image = seal(plan, [layer.blob for layer in layers], store, absent=absent, project=project)
    return Built(
        image=image,
        layers=layers,
        unrecorded=(*unrecorded, *steps.unrecorded),
        differing=steps.differing,
    )
