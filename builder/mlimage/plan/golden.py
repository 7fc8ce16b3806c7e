"""The layer of the trained model and its golden record. Pure."""

from typing import Final

from mlimage.digest import Digest
from mlimage.plan.manifest import check_manifest
from mlimage.plan.model import GoldenLayer
from mlimage.spec.load import LoadedSpec
from mlimage.spec.tags import RoleName

NAME: Final = "golden-record"
"""Of the layer."""
LABEL: Final = "dev.mlimage.golden"
FOLDER: Final = "opt/mlimage/golden"
"""Where the record is in the image."""
MODELS: Final = "models"
"""Where the model is in the image."""
FROZEN: Final = "frozen"
"""Where it is in the record's folder in the project: many let version control ignore `models`."""
MOST_FILES: Final = 10_000
"""Files and folders of a record; a case has some five."""
LARGEST_FILE: Final = 256 << 20
"""Bytes of a file of a record, the frozen model aside."""
LARGEST_RECORD: Final = 512 << 20
"""Bytes of all of them."""


def golden_layer(loaded: LoadedSpec, role: RoleName | None) -> GoldenLayer | None:
    """The layer, None where nothing is recorded, and for an image that only trains.

    Raises:
        BuildError: half of a record is there, or its manifest was changed.
    """
    manifest, golden = loaded.manifest, loaded.spec.golden
    if manifest is None or golden is None or role == "train":
        return None
    check_manifest(manifest, golden, loaded.spec.name)
    return GoldenLayer(
        name=NAME,
        source=f"../../lockfiles/{loaded.spec.name}/golden",
        digest=Digest.of(manifest.content),
    )
