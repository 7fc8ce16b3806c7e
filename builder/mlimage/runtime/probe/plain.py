"""Neural layers as they are defined, in NumPy's float64 and without BLAS: truths for other libraries."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def product(a: Any, b: Any) -> Any:
    """The matrix product."""
    np: Any = import_module("numpy")
    return np.einsum("ij,jk->ik", a.astype("float64"), b.astype("float64"), optimize=False)


def softmax(x: Any) -> Any:
    """Along the last axis."""
    np: Any = import_module("numpy")
    wide = x.astype("float64")
    grown = np.exp(wide - wide.max(-1, keepdims=True))
    return grown / grown.sum(-1, keepdims=True)


def convolution(x: Any, kernel: Any) -> Any:
    """A batch in (count, channels, height, width) by (outputs, channels, 3, 3), without padding."""
    np: Any = import_module("numpy")
    height, width = x.shape[2] - 2, x.shape[3] - 2
    parts = [
        np.einsum(
            "nchw,oc->nohw",
            x[:, :, down : down + height, right : right + width].astype("float64"),
            kernel[:, :, down, right].astype("float64"),
            optimize=False,
        )
        for down in range(3)
        for right in range(3)
    ]
    return sum(parts)
