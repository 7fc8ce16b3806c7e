"""What `strict` promises: other processors, emulated ones, give the bits of this one; with `fast` not.

An emulated processor is refused where the promise counts, for it may be wrong (`FAULTS`). Here it stands for
one that nobody has at hand: what it does right, a real one does in the same way.
"""

import json
import shutil
from pathlib import Path
from typing import Any, Final

import pytest

from mlimage.cache import Cache
from support.building import build, project_at
from support.emulation import QEMU
from support.runs import run
from support.tables import Row

pytestmark = [pytest.mark.network, pytest.mark.namespaces, pytest.mark.emulation]

TABLE: Final = "the probe on emulated processors, against this one"
MODELS: Final = ("Haswell", "EPYC")
"""Of Intel, 2013, and of AMD, 2017: the least that `strict` asks for, AVX2 and FMA."""
FAULTS: Final = ("numpy.argsort.ties", "torch.lstm")
"""Where qemu 7.2 ends the process, or, in the second one, gives another number altogether: left out."""
OPEN: Final = frozenset({"jax.conv", "tensorflow.conv", "tensorflow.softmax"})
"""What these libraries have no switch for; docs/determinism.md says so."""
PROBE: Final = f"""\
import sys
from mlimage.runtime.probe import measure
from mlimage.runtime.words.probe import main
measured = measure._measured
measure._measured = lambda operation: measured(operation) if operation.name not in {FAULTS!r} else {{
    **dict.fromkeys(("dtype", "shape", "sha256", "values", "error", "correct", "tolerance", "bound")),
    "name": operation.name, "problem": "left out",
}}
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """What the container sees as its folder of models."""
    folder = tmp_path / "tools"
    folder.mkdir()
    shutil.copy(QEMU.with_name("qemu-x86_64-static"), folder / "qemu")
    (folder / "probe.py").write_text(PROBE)
    for path in (tmp_path, tmp_path.parent):
        path.chmod(0o755)
    folder.chmod(0o777)  # the user of the image is another, and writes there
    return folder


@pytest.mark.parametrize("image", ["digits-sklearn", "digits-pytorch", "digits-jax", "digits-tensorflow"])
def test_the_same_bits(image: str, tmp_path: Path, tools: Path, warm_cache: Cache, row: Row) -> None:
    warm_cache.root.chmod(0o755)
    project = project_at(tmp_path / "project", image)
    build(project, warm_cache, image=image)
    framework = image.removeprefix("digits-").replace("pytorch", "torch")
    groups = ("python", "numpy", "sklearn") if framework == "sklearn" else (framework,)

    def probe(profile: str, *emulator: str, against: str = "") -> Any:
        words = [word for group in groups for word in ("--group", group)]
        to = (
            ("--json", "--against", f"/models/{against}")
            if against
            else ("--save", f"/models/{profile}.json")
        )
        program = (
            ("python", "/models/probe.py")
            if not emulator
            else (*emulator, "/opt/venv/bin/python", "/models/probe.py")
        )
        options = ("--models", str(tools), "-e", f"MLIMAGE_PROFILE={profile}")
        done = run(warm_cache, project, "sandbox", image, *options, "--", *program, *words, *to)
        assert done.returncode in ((0, 8) if emulator else (0,)), done.stdout + done.stderr
        return json.loads(done.stdout) if against else json.loads((tools / f"{profile}.json").read_text())

    here = probe("strict")
    for model in MODELS:
        said = probe("strict", "/models/qemu", "-cpu", model, against="strict.json")
        verdicts = {each["name"]: each["word"] for each in said["comparison"]["verdicts"]}
        differing = {name for name, word in verdicts.items() if word != "identical"}
        same = f"{len(verdicts) - len(differing)} of {len(verdicts)} the same"
        left = f"; others: {', '.join(sorted(differing))}" if differing else ""
        row(TABLE, image, "strict", model, f"{same}{left}")
        assert differing <= OPEN
        assert not [each["name"] for each in said["operations"] if each["correct"] is False]
        assert len(verdicts) - len(differing) >= 4
    if framework in {"sklearn", "torch"}:
        free = probe("fast")
        said = probe("fast", "/models/qemu", "-cpu", MODELS[0], against="fast.json")
        verdicts = {each["name"]: each["word"] for each in said["comparison"]["verdicts"]}
        same = sum(word == "identical" for word in verdicts.values())
        row(TABLE, image, "fast", MODELS[0], f"{same} of {len(verdicts)} the same")
        # Where this processor has more than the least: without the pins numbers are others.
        if free["fingerprint"]["numeric_class"] != here["fingerprint"]["numeric_class"]:
            assert same < len(verdicts)
