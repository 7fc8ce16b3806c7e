"""Where data is and models go: the same words in every container, on a laptop and in the cloud."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mlimage.runtime.places import data_variable, is_address

if TYPE_CHECKING:
    from pathlib import Path


def data(name: str) -> str:
    """The folder, or the address (`s3://…`), of the data that the spec calls so (`data:`).

    In an image it is where the container's start put it; outside of one, MLIMAGE_DATA_<NAME> says it.

    Raises:
        LookupError: nobody said where it is.
    """
    variable = data_variable(name)
    place = os.environ.get(variable)
    if not place:
        raise LookupError(
            f"nobody says where the data `{name}` is: name it under `data:` in mlimage.yaml, or set "
            f"{variable}"
        )
    return place


def models() -> Path:
    """The folder where `train` writes models and `serve` reads them.

    Raises:
        LookupError: nobody said where it is, or it is an address, which MLIMAGE_MODELS says.
    """
    from pathlib import Path  # every program that asks for data alone would wait for it

    place = os.environ.get("MLIMAGE_MODELS")
    if not place:
        raise LookupError("nobody says where models go: run it in an image, or set MLIMAGE_MODELS")
    if is_address(place):
        raise LookupError(f"models are at {place}, which is no folder: read the variable MLIMAGE_MODELS")
    return Path(place)
