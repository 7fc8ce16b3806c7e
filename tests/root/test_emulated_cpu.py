"""Programs under the real user emulation of qemu: seen, and refused where `strict` is promised."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.emulation import QEMU
from support.machine import ROOT

pytestmark = pytest.mark.emulation

QEMU_X86 = QEMU.with_name("qemu-x86_64-static")
START = "import sys; from mlimage.runtime.start import main; main(sys.argv[2:], sys.argv[1])"


def emulated(model: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """This Python, on a CPU that qemu imitates; qemu itself tells of what it cannot imitate."""
    return subprocess.run(
        [QEMU_X86, "-cpu", model, os.path.realpath(sys.executable), "-c", *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "builder")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("model", ["Haswell", "EPYC", "Nehalem", "max"])
def test_it_is_seen(model: str) -> None:
    done = emulated(model, "from mlimage.runtime.cpu import read_cpu; print(read_cpu().emulated)")
    assert done.stdout == "True\n"


def test_strict_is_refused(tmp_path: Path) -> None:
    roles = {
        "train": {"command": ["true"], "env": {}},
        "data": [],
        "determinism": {"profile": "strict", "seed": 0},
    }
    (tmp_path / "roles.json").write_text(json.dumps(roles))
    done = emulated("Haswell", START, str(tmp_path / "roles.json"), "train")
    assert done.returncode == 78
    assert done.stderr.splitlines()[-1] == (
        "mlimage: the profile `strict` holds on no emulated CPU, whose numbers may be wrong; "
        "MLIMAGE_PROFILE=fast starts it without that promise"
    )
