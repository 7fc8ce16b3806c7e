"""The code paths that `strict` turns off are those that numpy's own builds have, version by version."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from mlimage.plan.features import numpy_features
from mlimage.platforms import native_platform
from support.locks import package

pytestmark = pytest.mark.network

KEPT: Final = {
    "SSE",
    "SSE2",
    "SSE3",
    "SSSE3",
    "SSE41",
    "POPCNT",
    "SSE42",
    "AVX",
    "F16C",
    "XOP",
    "FMA4",
    "FMA3",
    "AVX2",
} | {"X86_V2", "X86_V3", "NEON", "NEON_FP16", "NEON_VFPV4", "ASIMD"}
"""What `strict` computes with, and what is below it."""
SCRIPT: Final = """\
import json
try:
    import numpy._core._multiarray_umath as umath
except ImportError:
    import numpy.core._multiarray_umath as umath
print(json.dumps(umath.__cpu_dispatch__))
"""


@pytest.mark.parametrize("version", ["1.26.4", "2.2.6", "2.3.5", "2.4.6"])
def test_the_table_is_what_builds_have(version: str, tmp_path: Path) -> None:
    install = (
        "-m",
        "pip",
        "install",
        "-q",
        "--disable-pip-version-check",
        "--no-deps",
        "--target",
        str(tmp_path),
    )
    subprocess.run((sys.executable, *install, f"numpy=={version}"), check=True)
    said = subprocess.run(
        (sys.executable, "-c", SCRIPT),
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    here = native_platform()
    assert here is not None
    above = [name for name in json.loads(said.stdout) if name not in KEPT]
    assert above == list(numpy_features([package("numpy", version)], here))
