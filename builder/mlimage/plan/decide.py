"""`plan`: everything that a build will do, decided before any of it is done."""

from dataclasses import replace

from mlimage.lock.collisions import allowed_by
from mlimage.lock.model import Lock
from mlimage.lock.roles import own_packages, packages_of
from mlimage.plan.config import image_config, roles_file
from mlimage.plan.cuda import check_accelerator
from mlimage.plan.dockerfile import dockerfile_plan, has_steps
from mlimage.plan.golden import LABEL, golden_layer
from mlimage.plan.layers import base_layers, package_layers
from mlimage.plan.model import (
    COMPILED,
    AppLayer,
    BuildPlan,
    Compression,
    Layer,
    RecipeLayer,
    RuntimeLayer,
    StepsLayer,
)
from mlimage.plan.recipe import NAME as RECIPE
from mlimage.plan.recipe import recipe_files
from mlimage.spec.load import LoadedSpec
from mlimage.spec.places import app_places
from mlimage.spec.tags import RoleName
from mlimage.spec.variants import accelerator_of


def plan(loaded: LoadedSpec, lock: Lock, role: RoleName | None = None) -> BuildPlan:
    """Decide the layers, bottom first, and the configuration. Pure: reads no file, clock or environment.

    Args:
        loaded: the spec.
        lock: its lock for the variant and platform.
        role: the one that the image is for, where each role has its own (`split: true`).

    Raises:
        BuildError: the lock has packages for two CUDAs, or for one where the variant is for the CPU.
    """
    spec = loaded.spec
    accelerator = accelerator_of(spec, lock.variant)
    check_accelerator(accelerator, lock.packages, variant=lock.variant)
    allowed = allowed_by(spec)
    compression = Compression(spec.compression)
    bytecode = spec.bytecode and lock.base.platform in COMPILED
    config = image_config(spec, lock, role)
    golden = golden_layer(loaded, role)
    if golden:
        config = replace(config, labels=tuple(sorted([*config.labels, (LABEL, golden.digest)])))
    dockerfile = dockerfile_plan(loaded, lock, role)
    layers: tuple[Layer, ...] = (
        *base_layers(lock.base, compression=compression, bytecode=bytecode),
        *package_layers(
            packages_of(lock, role),
            lock.base,
            own=own_packages(lock, role) if role else None,
            allowed=allowed,
            single=spec.layers.single,
            bins=spec.layers.bins,
            compression=compression,
            bytecode=bytecode,
        ),
        RuntimeLayer(name="runtime"),
        RecipeLayer(name=RECIPE, files=recipe_files(loaded, lock)),
        AppLayer(
            name="app",
            source=spec.app.source,
            ignore=loaded.ignore,
            roles=roles_file(spec, lock, config, role),
            data=tuple(spec.data),
            links=app_places(spec.models, spec.data),
        ),
        *((golden,) if golden else ()),
        *((StepsLayer(name="steps"),) if has_steps(dockerfile) else ()),
    )
    return BuildPlan(
        image=spec.name,
        variant=lock.variant,
        role=role,
        accelerator=accelerator,
        platform=lock.base.platform,
        python=lock.base.python,
        base=lock.base,
        created=lock.as_of,
        lock=lock.digest,
        layers=layers,
        config=config,
        compression=compression,
        bytecode=bytecode,
        allowed=allowed,
        dockerfile=dockerfile,
    )
