"""What a GPU computes, held against the CPU beside it: the figures behind the tolerances for CUDA.

Asks the modules that images carry: the probe, and the golden record of digits-pytorch, which was made on a
CPU. It needs PyTorch that sees a GPU, and NumPy; no Docker, and nothing of this project's environment:

    python tests/gpu/measure.py

The last line of each table is its largest error. The status is 1 where something is beyond what may be.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
IMAGE: Final = "digits-pytorch"
APP: Final = ROOT / "images" / IMAGE / "app"
GOLDEN: Final = ROOT / "lockfiles" / IMAGE / "golden"
RUNTIME: Final = ROOT / "builder/mlimage/runtime/__main__.py"
OFF: Final = {"NVIDIA_TF32_OVERRIDE": "0"}
"""TensorFloat-32, as both profiles have it without `tf32: true`."""
FAILED: Final = 8
"""Exit status of a word that found something wrong."""


def main() -> int:
    """Measure and print."""
    probe = _said("probe", "--json", "--group", "torch", "--group", "cuda", environ=OFF)
    for device in probe["fingerprint"]["cuda"]["devices"]:
        print(f"{device['name']}, compute capability {device['sm']}")
    print("\nthe probe: errors against float64 on the CPU")
    for group, why in probe["skipped"].items():
        print(f"{group}: it does not load: {why}")
    bad = bool(probe["skipped"]) or _probe(probe["operations"])
    print("\nthe golden record of digits-pytorch")
    for where, environ in (("CPU", {"CUDA_VISIBLE_DEVICES": ""}), ("CUDA", OFF)):
        bad |= _golden(where, environ)
    return int(bad)


def _probe(operations: list[dict[str, Any]]) -> bool:
    by_group: dict[str, dict[str, dict[str, Any]]] = {"torch": {}, "cuda": {}}
    for operation in operations:
        group, _, what = operation["name"].partition(".")
        by_group[group][what] = operation
    print(f"{'OPERATION':<24}{'CPU':>10}{'CUDA':>10}{'BOUND':>10}")
    for what, on_gpu in by_group["cuda"].items():
        print(
            f"{what:<24}{_figure(by_group['torch'][what]):>10}{_figure(on_gpu):>10}{on_gpu['bound']:>10.1e}"
        )
    for dtype in ("float32", "float64", "bfloat16"):
        errors = [each["error"] for each in by_group["cuda"].values() if _counts(each, dtype)]
        print(f"the largest in {dtype}: {max(errors, default=0):.1e}")
    lacking = [what for what, on_gpu in by_group["cuda"].items() if on_gpu["problem"]]
    for what in lacking:
        print(f"{what}: {by_group['cuda'][what]['problem']}")
    return bool(lacking) or any(operation["correct"] is False for operation in operations)


def _counts(operation: dict[str, Any], dtype: str) -> bool:
    """Random numbers are held against what they should be on average, which is no rounding."""
    drawn = operation["name"].startswith(("cuda.rand", "cuda.bernoulli"))
    return operation["dtype"] == dtype and isinstance(operation["error"], float) and not drawn


def _figure(operation: dict[str, Any]) -> str:
    if operation["problem"]:
        return "none"
    return f"{operation['error']:.1e}" if isinstance(operation["error"], float) else str(operation["error"])


def _golden(where: str, environ: dict[str, str]) -> bool:
    said = _said("verify", "--json", "--golden", str(GOLDEN), "--app", str(APP), environ=environ)
    for stage in ("features", "outputs"):
        own = [verdict for verdict in said["verdicts"] if verdict["stage"] == stage]
        errors = [verdict["error"] for verdict in own if verdict["error"] is not None]
        same = sum(verdict["word"] == "identical" for verdict in own)
        limits = max(verdict["tolerance"] for verdict in own)
        print(
            f"{where:<6}{stage:<10}{same} of {len(own)} identical; the largest error "
            f"{max(errors, default=float('inf')):.1e}, and {limits:.1e} is allowed"
        )
        for why in {verdict["why"] for verdict in own if verdict["why"]}:
            print(f"      {why}")
    return not said["passed"]


def _said(*words: str, environ: dict[str, str]) -> Any:
    """What a word of the images prints here."""
    path = os.pathsep.join((str(ROOT / "builder"), str(APP), os.environ.get("PYTHONPATH", "")))
    done = subprocess.run(
        [sys.executable, str(RUNTIME), *words],
        env={**os.environ, "PYTHONPATH": path, "MLIMAGE_MODELS": str(GOLDEN / "frozen"), **environ},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode not in {0, FAILED}:
        sys.exit(done.returncode)
    return json.loads(done.stdout)


if __name__ == "__main__":
    sys.exit(main())
