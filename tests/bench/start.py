"""What a start costs in an image: the entry point, and the hooks that seed libraries.

Both are timed inside of the image, in the sandbox, where nothing of mlimage's own program is in the way. The
peers are the same Python without the entry point, and without the hooks.
"""

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench.measure import COUNT, MLIMAGE, Run, pair, timed
from support.machine import ROOT

TITLES: Final = {
    "entry": "start of a command by the entry point",
    "hooks": "python -c 'import numpy', with the hooks",
}
_IMAGE: Final = "digits-sklearn"
_ONCE: Final = 10
"""Starts for each run that is asked for: one takes only milliseconds."""
_SCRIPT: Final = """\
import json, subprocess, sys, time
PYTHON = "/opt/venv/bin/python"
[site] = [path for path in sys.path if path.endswith("site-packages")]
KINDS = {
    "entry": [PYTHON, "-I", "/opt/mlimage/entrypoint.py", "true"],
    "bare": [PYTHON, "-I", "-c", "import os; os.execvp('true', ['true'])"],
    "hooks": [PYTHON, "-c", "import numpy"],
    "plain": [PYTHON, "-S", "-c", f"import sys; sys.path.append({site!r}); import numpy"],
}
found = {kind: [] for kind in KINDS}
for _ in range(int(sys.argv[1])):
    for kind, command in KINDS.items():
        began = time.perf_counter()
        subprocess.run(command, check=True)
        found[kind].append(time.perf_counter() - began)
print(json.dumps(found))
"""


def measure() -> dict[str, Any]:
    """Build the image, and start it often; the kinds take turns."""
    with tempfile.TemporaryDirectory(prefix="mlimage-bench-start-") as name:
        project = Path(name)
        project.chmod(0o755)
        for part in ("images", "lockfiles"):
            shutil.copytree(ROOT / part / _IMAGE, project / part / _IMAGE)
        timed([MLIMAGE, "build", "--no-check", _IMAGE], cwd=project)
        run = [
            MLIMAGE,
            "run",
            _IMAGE,
            "--runtime",
            "sandbox",
            "--",
            "python",
            "-c",
            _SCRIPT,
            str(COUNT * _ONCE),
        ]
        whole = timed(run, cwd=project)
    found = json.loads(whole.stdout)
    runs = {kind: _runs(seconds, whole.memory) for kind, seconds in found.items()}
    return {"entry": pair(runs["entry"], runs["bare"]), "hooks": pair(runs["hooks"], runs["plain"])}


def _runs(seconds: Sequence[float], memory: int) -> list[Run]:
    return [Run(seconds=each, memory=memory, stdout="") for each in seconds]


def remarks(result: Mapping[str, Any]) -> list[str]:
    """What a start costs more, in milliseconds."""
    return [
        f"{title}: {1000 * (result[key]['seconds'] - result[key]['peer_seconds']):.0f} ms more than the peer"
        for key, title in TITLES.items()
    ]
