"""The one function that makes features, in training and in serving."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def load_preprocess(function: str | None = None) -> Callable[[Any], Any]:
    """The function that makes features of a request, the same in training and in serving.

    In an image with a golden record, a program that does not train gets the frozen function or an error: its
    sources and what it was fitted to must be those of the record, and what it gives must have the names,
    types and shapes that are recorded (else a `ValueError` of the call). Where state and model were trained
    anew, and everywhere else, it is the function as it is.

    >>> preprocess = load_preprocess("features:transform")  # doctest: +SKIP

    Args:
        function: `MODULE:FUNCTION`, as `golden.preprocess` of mlimage.yaml has it; without it that of the
            golden record.

    Raises:
        RuntimeError: it is not the frozen one, or cannot be had.
    """
    from mlimage.runtime.golden.failure import GoldenError
    from mlimage.runtime.golden.frozen import frozen_preprocess

    training = os.environ.get("MLIMAGE_ROLE") == "train"
    try:
        return frozen_preprocess(
            function, training=training, models=os.environ.get("MLIMAGE_MODELS", "models")
        )
    except GoldenError as error:
        raise RuntimeError(str(error)) from error
