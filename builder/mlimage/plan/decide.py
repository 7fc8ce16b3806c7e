"""`plan`: everything that a build will do, decided before any of it is done."""

from mlimage.lock.model import Lock
from mlimage.plan.config import image_config, roles_file
from mlimage.plan.cuda import check_accelerator
from mlimage.plan.dockerfile import dockerfile_plan, has_steps
from mlimage.plan.layers import base_layers, package_layers
from mlimage.plan.model import AppLayer, BuildPlan, Compression, Layer, RuntimeLayer, StepsLayer
from mlimage.spec.load import LoadedSpec
from mlimage.spec.variants import accelerator_of


def plan(loaded: LoadedSpec, lock: Lock) -> BuildPlan:
    """Decide the layers, bottom first, and the configuration. Pure: reads no file, clock or environment.

    Raises:
        BuildError: the lock has packages for two CUDAs, or for one where the variant is for the CPU.
    """
    spec = loaded.spec
    accelerator = accelerator_of(spec, lock.variant)
    check_accelerator(accelerator, lock.packages, variant=lock.variant)
    compression = Compression(spec.compression)
    config = image_config(spec, lock)
    dockerfile = dockerfile_plan(loaded, lock)
    layers: tuple[Layer, ...] = (
        *base_layers(lock.base, compression=compression, bytecode=spec.bytecode),
        *package_layers(
            lock.packages,
            lock.base,
            single=spec.layers.single,
            bins=spec.layers.bins,
            compression=compression,
            bytecode=spec.bytecode,
        ),
        RuntimeLayer(name="runtime"),
        AppLayer(name="app", source=spec.app.source, ignore=loaded.ignore, roles=roles_file(spec, config)),
        *((StepsLayer(name="steps"),) if has_steps(dockerfile) else ()),
    )
    return BuildPlan(
        image=spec.name,
        variant=lock.variant,
        accelerator=accelerator,
        platform=lock.base.platform,
        python=lock.base.python,
        base=lock.base,
        created=lock.as_of,
        lock=lock.digest,
        layers=layers,
        config=config,
        compression=compression,
        bytecode=spec.bytecode,
        dockerfile=dockerfile,
    )
