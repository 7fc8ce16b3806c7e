"""The layer of the trained model and its golden record. Pure."""

from typing import Final

from mlimage.digest import Digest
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


def golden_layer(loaded: LoadedSpec, role: RoleName | None) -> GoldenLayer | None:
    """The layer, None where nothing is recorded, and for an image that only trains."""
    if loaded.golden is None or role == "train":
        return None
    return GoldenLayer(
        name=NAME, source=f"../../lockfiles/{loaded.spec.name}/golden", digest=Digest.of(loaded.golden)
    )
