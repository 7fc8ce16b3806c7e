"""From pixels to features: one module that training and serving both import, so that they cannot differ."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

SIDE: Final = 8
PIXELS: Final = SIDE * SIDE
DARKEST: Final = 16
"""The data set counts dark pixels in blocks of 4 x 4: https://archive.ics.uci.edu/dataset/80."""


def features(images: ArrayLike) -> NDArray[np.float32]:
    """Images as the network wants them.

    Args:
        images: n images of 8 x 8 or 64 pixels, each from 0 (paper) to 16 (ink).

    Returns:
        N rows of 64 features from 0 to 1.

    Raises:
        ValueError: an image has another size, or a pixel another value.
    """
    pixels = np.asarray(images, dtype=np.float32)
    if pixels.shape[1:] not in {(PIXELS,), (SIDE, SIDE)}:
        raise ValueError(f"images must be of shape (n, {SIDE}, {SIDE}) or (n, {PIXELS}), not {pixels.shape}")
    # Also refuses NaN, for which no comparison is true.
    if not np.all((pixels >= 0) & (pixels <= DARKEST)):
        raise ValueError(f"pixels must be from 0 to {DARKEST}")
    return pixels.reshape(len(pixels), PIXELS) / np.float32(DARKEST)


def of_request(query: Mapping[str, Any]) -> NDArray[np.float32]:
    """Features of a request as it is decoded from JSON; its images may differ in shape."""
    return np.concatenate([features([image]) for image in query["instances"]])
