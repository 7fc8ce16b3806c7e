"""What every mapping of `mlimage.yaml` has in common."""

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A mapping of the file: nothing unknown in it, nothing converted, nothing changed later."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
