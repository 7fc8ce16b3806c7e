"""The environment variables that change numbers: a fixed list, so that nothing private gets into a record."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

NUMERIC = (
    # threads
    "OMP_NUM_THREADS",
    "OMP_DYNAMIC",
    "OMP_SCHEDULE",
    "KMP_AFFINITY",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "MKL_DYNAMIC",
    "NUMEXPR_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "LOKY_MAX_CPU_COUNT",
    # code paths
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_DEBUG_CPU_TYPE",
    "ATEN_CPU_CAPABILITY",
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_MAX_CPU_ISA",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "NPY_DISABLE_CPU_FEATURES",
    "NPY_ENABLE_CPU_FEATURES",
    "GLIBC_TUNABLES",
    "XLA_FLAGS",
    "TF_ENABLE_ONEDNN_OPTS",
    "TF_XLA_FLAGS",
    "NUMBA_CPU_NAME",
    "NUMBA_CPU_FEATURES",
    # determinism
    "PYTHONHASHSEED",
    "MLIMAGE_SEED",
    "MLIMAGE_PROFILE",
    "TF_DETERMINISTIC_OPS",
    "CUBLAS_WORKSPACE_CONFIG",
    "NVIDIA_TF32_OVERRIDE",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
    "CUDA_LAUNCH_BLOCKING",
    "NCCL_ALGO",
    "NCCL_PROTO",
    # text and time
    "LC_ALL",
    "LANG",
    "TZ",
    "PYTHONUTF8",
    "PYTHONOPTIMIZE",
)
"""Their values are recorded."""
PATHS = ("LD_PRELOAD", "LD_LIBRARY_PATH")
"""They can bring other libraries in; that they are set is recorded, and what to is not."""
SET = "set"
_PATH = re.compile(r"(?<![\w.])/\S+")


def numeric_variables(environ: Mapping[str, str]) -> dict[str, str | None]:
    """Each variable of the list with its value, None where it is not there; paths in values are left out."""
    found = {name: _PATH.sub("/…", environ[name]) if name in environ else None for name in NUMERIC}
    return {**found, **{name: SET if environ.get(name) else None for name in PATHS}}
