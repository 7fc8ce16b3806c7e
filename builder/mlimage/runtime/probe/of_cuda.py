"""PyTorch on its first GPU: cuBLAS, cuDNN, cuSOLVER and CUDA's own kernels; the CPU computes the truth."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mlimage.runtime.probe.of_torch import Place, operations_at
from mlimage.runtime.switches import TF32

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlimage.runtime.probe.operation import Operation

DEVICE = "cuda"
_LEAST = 5e-5
"""cuDNN may take algorithms (Winograd, FFT) that round more than those of a CPU; the smallest of the bugs
that were put in on purpose made 1.2e-4."""
_ROUNDED = 5e-3
"""Where the spec allows TensorFloat-32."""
_BFLOAT16 = (8, 0)
"""Compute capability from which on GPUs have it."""


def operations() -> Iterator[Operation]:
    """What is asked of PyTorch on the CPU, on the GPU."""
    torch: Any = import_module("torch")
    reduced = os.environ.get(TF32) == "1"
    place = Place("cuda", DEVICE, least=_ROUNDED if reduced else _LEAST, tf32=_ROUNDED if reduced else 0.0)
    has_bfloat16 = _has_bfloat16(torch)
    for operation in operations_at(place):
        if has_bfloat16 or not operation.name.endswith(".bfloat16"):
            yield operation


def _has_bfloat16(torch: Any) -> bool:
    try:
        return bool(torch.cuda.get_device_capability() >= _BFLOAT16)
    except RuntimeError:  # a GPU that fails: each operation says so
        return True
