"""The keys of `golden:`."""

from pydantic import Field

from mlimage.spec.fields import FunctionName, RelativePath
from mlimage.spec.part import Part


class Golden(Part):
    """What `mlimage freeze` records, and images then carry: the model, and what chosen requests give."""

    preprocess: FunctionName = Field(
        description="Function of the application that makes features of one request: an array, or a dict of "
        "them. It gets the value of a `.json` request, the text of `.csv` and `.txt`, the array of `.npy`, "
        "and the bytes of all others.",
        examples=["features:transform"],
    )
    predict: FunctionName = Field(
        description="Function that makes outputs of these features: an array, or a dict of them. Give scores "
        "or logits, and no labels: they show a difference long before a label changes.",
        examples=["model:predict"],
    )
    model: RelativePath = Field(
        description="The model's file or folder, in the folder of models, where training put it.",
        examples=["model.joblib"],
    )
    state: tuple[RelativePath, ...] = Field(
        default=(),
        description="Files in the folder of models that the preprocessing reads: what it was fitted to.",
        examples=[["scaler.joblib"]],
    )
    cases: RelativePath = Field(
        default="golden",
        description="Folder of requests, a file each, relative to mlimage.yaml: 16 to 64, chosen and not "
        "drawn; usual ones, some that are hard to decide, empty and extreme ones. Requests that training "
        "kept with `mlimage_runtime.record` are taken, too.",
        examples=["golden"],
    )
