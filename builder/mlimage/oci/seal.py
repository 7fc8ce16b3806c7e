"""Layers and a plan to a sealed image: configuration, manifest and tag in the store."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from mlimage.digest import Digest
from mlimage.errors import BuildError
from mlimage.oci.config import config_json, manifest_json
from mlimage.oci.model import CONFIG, MANIFEST, LayerBlob, SealedImage
from mlimage.oci.store import Store
from mlimage.plan.model import BuildPlan

MAX_LAYERS: Final = 127
"""What overlay file systems hold: moby `layer.maxLayerDepth` and containerd's limit of mount options."""


def seal(
    plan: BuildPlan,
    layers: Sequence[LayerBlob],
    store: Store,
    *,
    absent: Collection[Digest] = (),
    project: Path | None = None,
) -> SealedImage:
    """Write the image's configuration and manifest, and name it in the store when all of it is there.

    Args:
        plan: what was planned.
        layers: what it gave, bottom first, one for each planned layer.
        store: where the layers are.
        absent: digests of those that are elsewhere.
        project: the folder of the project that it is of.

    Raises:
        BuildError: there are more layers than Docker runs, or one that should be in the store is not.
        ValueError: the layers are not those of the plan; that is a defect of the caller.
    """
    name = plan.name
    if [layer.name for layer in layers] != [layer.name for layer in plan.layers]:
        raise ValueError(f"the layers are not those of the plan of {name}")
    if len(layers) > MAX_LAYERS:
        raise BuildError(
            f"`{name}` would have {len(layers)} layers, and Docker runs at most {MAX_LAYERS}",
            hint="raise `layers.single` or lower `layers.bins` in the spec",
        )
    for layer in layers:
        if layer.blob.digest not in absent and not store.holds(layer.blob):
            raise BuildError(
                f"layer `{layer.name}` of `{name}` is not in the store: {layer.blob.digest}",
                hint="something deleted it meanwhile; build again",
            )
    config = store.put(config_json(plan, layers), CONFIG)
    manifest = store.put(manifest_json(plan, config, layers), MANIFEST)
    image = SealedImage(
        name=name, platform=plan.platform, manifest=manifest, config=config, layers=tuple(layers)
    )
    if not absent:
        store.tag(image, project=project)
    return image
