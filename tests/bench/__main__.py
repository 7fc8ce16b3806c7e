"""`make bench`: how long mlimage takes, against peers that run in turn; a part alone with `PART=lock`.

Prints a table for each part and writes `docs/bench.json` and `docs/bench.svg`. Nothing here asserts a time:
machines are noisy, so ratios of runs in turn are what to look at. `MLIMAGE_BENCH_RUNS` says how often each
thing is done. Where the index of torch's CPU wheels is not reachable, pip's `find-links` or
`MLIMAGE_MIRROR_PYTORCH_CPU` name a folder with that wheel.
"""

import json
import os
import platform
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from bench import build, lock, registry, start, variants
from bench.picture import draw
from support.indexes import mirrors_of_wheels
from support.machine import ROOT

_PARTS: Final[Mapping[str, ModuleType]] = {
    "build": build,
    "lock": lock,
    "registry": registry,
    "start": start,
    "variants": variants,
}
_DEFAULT: Final = ("build", "lock", "registry", "start")
"""Not `variants`, which fetches gigabytes."""
_RESULTS: Final = ROOT / "docs" / "bench.json"


def main(*names: str) -> None:
    """Measure these parts, print, and write the files."""
    unknown = set(names) - set(_PARTS)
    if unknown:
        raise SystemExit(f"no part `{min(unknown)}`; there are: {', '.join(_PARTS)}")
    os.environ.update(mirrors_of_wheels("digits-pytorch"))
    with tempfile.TemporaryDirectory(prefix="mlimage-bench-") as bytecode:
        # All is measured as it is where it is installed: with its modules compiled.
        os.environ |= {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": bytecode}
        for name in names or _DEFAULT:
            part = _PARTS[name]
            result = {"machine": _machine(), **part.measure()}
            _print(part.TITLES, result)
            print(*part.remarks(result), sep="\n")
            _write(_RESULTS, name, result)


def _machine() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
    }


def _write(path: Path, name: str, result: Mapping[str, Any]) -> None:
    """The other parts stay as they were measured before."""
    results = {**json.loads(path.read_text()), name: result}
    path.write_text(json.dumps({part: results[part] for part in _PARTS if part in results}, indent=2) + "\n")
    path.with_suffix(".svg").write_text(draw(results["build"]))


def _print(titles: Mapping[str, str], result: Mapping[str, Any]) -> None:
    rows = [("", "mlimage", "peer", "ratio", "most memory")]
    for key, title in titles.items():
        each = result[key]
        peer, ratio = each.get("peer_seconds"), each.get("ratio")
        rows.append(
            (
                title,
                f"{each['seconds']:.2f} s",
                f"{peer:.2f} s" if peer else "",
                f"{ratio:.2f}" if ratio else "",
                f"{each['peak_memory_bytes'] / 1e6:.0f} MB",
            )
        )
    for row in rows:
        print(f"{row[0]:<40}" + "".join(f"{cell:>14}" for cell in row[1:]))


if __name__ == "__main__":
    main(*sys.argv[1:])
