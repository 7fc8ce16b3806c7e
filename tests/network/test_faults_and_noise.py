"""Faults that are put into a frozen image, none of them missed; and what does no harm, never called a fault.

No file shows the faults, so that only the numbers can; how the files are held is in test_freeze.py.
"""

import json
import re
import shutil
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from mlimage.cache import Cache
from support.building import IMAGE, project_at
from support.frozen import Project
from support.machine import share_fetched
from support.tables import Row

pytestmark = [pytest.mark.network, pytest.mark.namespaces]

FAULTY: Final = Path(__file__).parents[1] / "support/faulty"
TABLE: Final = "faults put in, and what mlimage verify says of them"
UNSTEADY: Final = "it gives something else each time: a random number that has no seed, or a race"
FEATURES: Final = {
    "/255 for /256": "each number is 1.00392 (256/255) times what it was",
    "a mean shifted by 1e-4": "each number is 0.0001 less than what it was",
    "normalized to -1…1": "each number is 2 times what it was, and 1 less",
    "shuffled features": "columns stand in another order: ",
    "a column too early": "columns have moved back by one place",
    "a transposed image": "images of 8 x 8 are transposed",
    "a mirrored image": "images of 8 x 8 are mirrored",
    "float32 for float64": "it is float32, and was float64",
    "values cut off": "numbers above 0.75 are cut off",
    "one dead column": "column 20 is 0 in every row",
    "a missing flatten": "its shape is (",
    "StandardScaler for MinMaxScaler": "scaled, each in its own way, as by a scaler that was fitted to",
    "inputs rounded as by TF32": "each number is rounded to 11 bits, which float16 and TensorFloat-32 have",
    "inputs rounded to float16": "each number is rounded to 11 bits, which float16 and TensorFloat-32 have",
    "unseeded PCA": UNSTEADY,
    "whitened PCA": "8 columns are scaled, each in its own way",
    "argsort that is not stable": "rows have the same numbers in another order, as after an unstable sort",
    "NaN filled with 0": "0 stands where NaN or an infinity was",
    "NaN filled with the mean": "a number stands where NaN or an infinity was",
    "UTF-8 read as Latin-1": "texts are UTF-8 that was read as Latin-1",
    "white space left": "texts differ in white space alone",
}
OUTPUTS: Final = {
    "one changed weight": "only column 3 of 10 differs",
    "forgotten intercepts": "10 columns are moved, each by an amount of its own",
    "softmax for logits": "each row is the softmax of what it was",
    "classes in reverse order": "columns stand in reverse order",
    "two swapped classes": "columns 3 and 8 are swapped",
    "another temperature": "each number is 0.666667 (2/3) times what it was",
    "dropout left on": UNSTEADY,
    "scores in half precision": "each number is rounded to 11 bits, which float16 and TensorFloat-32 have",
    "statistics of the batch": "cases fail",
    "labels for scores": "it is int64, and was float64",
    "a NaN": "numbers are NaN or infinite, and were not",
}
RESPONSE: Final = {
    "preprocessing left out of the server": "it is",
    "probabilities rounded": "`predictions[].probability`: each number is rounded to 2 decimals",
    "another field": "it is an object with `label`, `probability`",
    "digits as texts": 'it is "',
    "percent": "`predictions[].probability`: each number is 100 times what it was",
}


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory, shared_cache: Cache) -> Project:
    """An image with steps for faults, trained and frozen without any."""
    folder = tmp_path_factory.mktemp("faulty")
    cache = Cache(folder / "cache")
    cache.root.mkdir()
    share_fetched(shared_cache, cache)
    for path in (folder, folder.parent):
        path.chmod(0o755)
    found = Project(project_at(folder / "project"), cache)
    shutil.rmtree(found.app)
    shutil.rmtree(found.record)
    shutil.copytree(FAULTY, found.app, ignore=shutil.ignore_patterns("__pycache__"))
    found.build()
    found.train()
    found.freeze()
    found.build()
    return found


def held(said: Any) -> tuple[str, str, str]:
    """The culprit, the largest error in it, and why: evidence and causes."""
    [part] = [part for part in said["parts"] if part["part"] == said["culprit"]]
    errors = [
        each["error"] for each in said["cases"] if not each["passed"] and each["stage"] == said["culprit"]
    ]
    error = "cannot be measured" if None in errors or not errors else f"{max(errors):.1e}"
    return said["culprit"], error, "; ".join([*part["causes"][::-1], part["why"]])


@pytest.mark.parametrize(
    ("culprit", "fault", "cause"),
    [
        *(("features", *each) for each in FEATURES.items()),
        *(("outputs", *each) for each in OUTPUTS.items()),
        *(("response", *each) for each in RESPONSE.items()),
    ],
)
def test_a_fault(frozen: Project, row: Row, culprit: str, fault: str, cause: str) -> None:
    stages = ["response"] if culprit == "response" else ["features", "outputs"]
    words = [word for stage in stages for word in ("--stage", stage)]
    status, said = frozen.verify(*words, "-e", f"FAULT={fault}")
    stage, error, why = held(said)
    row(TABLE, fault, stage, error, why)
    assert (status, stage, said["changed"]) == (8, culprit, {})
    assert cause in why


def test_another_scikit_learn(frozen: Project, tmp_path: Path, warm_cache: Cache, row: Row) -> None:
    """A really other one, whose bins of equal numbers are others by default."""
    project = frozen.copy(tmp_path / "project", warm_cache)
    spec = project.root / f"images/{IMAGE}/mlimage.yaml"
    spec.write_text(spec.read_text().replace("scikit-learn~=1.7", "scikit-learn~=1.8.0"))
    project.done("lock", IMAGE, "--resolver", "uv", "-P", "scikit-learn")
    project.build()
    status, said = project.verify("--stage", "features", "--stage", "outputs", "--stage", "fingerprint")
    stage, error, why = held(said)
    row(TABLE, "another scikit-learn", stage, error, why)
    assert (status, stage, said["changed"]) == (8, "features", {})
    assert "features `bins` of case" in why
    versions = r"scikit-learn is 1\.8\.0, and was \S+: another version may compute otherwise"
    assert re.search(versions, why)


@pytest.mark.parametrize("fault", ["a truncated model", "another model", "no model"])
def test_another_model_in_its_place(frozen: Project, row: Row, fault: str) -> None:
    """What a folder of models that is mounted over the image's own may have in it."""
    model = frozen.model
    content = model.read_bytes()
    try:
        if fault == "no model":
            model.unlink()
        elif fault == "a truncated model":
            model.write_bytes(content[: len(content) // 2])
        else:
            with np.load(model) as arrays:
                np.savez(model, **{name: array * 1.001 for name, array in arrays.items()})
        done = frozen.type("run", IMAGE, "--runtime", "sandbox", "--", "verify", "--json")
    finally:
        model.write_bytes(content)
    said = json.loads(done.stdout)
    assert done.returncode == 8
    why = {"no model": "it cannot be read"}.get(fault, "it is not the file of the record")
    assert said["changed"] == {"model": {"models/model.npz": why}}
    failed = {each["stage"] for each in said["verdicts"] if each["word"] in {"beyond", "changed"}}
    assert failed == {"outputs"}
    reasons = [said["patterns"].get("outputs"), *(each["why"] for each in said["verdicts"])]
    seen = next(filter(None, reasons))
    row(TABLE, fault, "outputs", "", f"`models/model.npz`: {why}; {seen}")


def test_threads_that_strict_does_not_allow(frozen: Project, row: Row) -> None:
    words = ("-e", "MLIMAGE_PROFILE=strict", "-e", "OMP_NUM_THREADS=7")
    done = frozen.type("run", IMAGE, "--runtime", "sandbox", *words, "serve", "--port", "0")
    assert done.returncode == 78
    [why] = [line for line in done.stderr.splitlines() if "OMP_NUM_THREADS" in line]
    row(TABLE, "other threads under strict", "its start", "", why)


@pytest.mark.parametrize("fault", ["unseeded PCA", "dropout left on"])
def test_what_is_another_each_time_is_never_frozen(
    frozen: Project, tmp_path: Path, warm_cache: Cache, row: Row, fault: str
) -> None:
    project = frozen.copy(tmp_path / "project", warm_cache)
    project.done("freeze", IMAGE, "--drop")
    project.change("faults.py", 'DEFAULT: Final = ""', f'DEFAULT: Final = "{fault}"')
    project.build()
    status, (error, _) = project.refused("freeze", IMAGE, "--runtime", "sandbox")
    assert status == 8
    assert error.startswith("error: it is not stable: ")
    row(TABLE, f"{fault}, at mlimage freeze", "its freezing", "", error.removeprefix("error: "))


HARMLESS: Final = [
    *(
        {"OPENBLAS_CORETYPE": kernel, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, **loops}
        for kernel, threads, loops in product(
            ("Prescott", "Nehalem", "Sandybridge", "Haswell", "Zen"),
            ("1", "2", "3", "5"),
            (
                {},
                {"NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR"},
                {"NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR"},
            ),
        )
    ),
    *(
        {"BATCH": size, "OMP_NUM_THREADS": threads}
        for size, threads in product(("1", "2", "3", "7", "64"), ("1", "2", "4"))
    ),
    *({"PYTHONHASHSEED": str(seed)} for seed in range(1, 9)),
    *({"MLIMAGE_SEED": str(seed)} for seed in range(1, 5)),
    *({"TZ": zone} for zone in ("Asia/Kolkata", "America/St_Johns", "Pacific/Chatham")),
    *({"LC_ALL": locale} for locale in ("C", "C.UTF-8", "POSIX", "de_DE.UTF-8")),
    {"PYTHONOPTIMIZE": "2"},
    {"PYTHONDONTWRITEBYTECODE": "1"},
    {"PYTHONUNBUFFERED": "1"},
    {"MALLOC_ARENA_MAX": "1"},
    {"MALLOC_PERTURB_": "85"},
    {"OPENBLAS_L2_SIZE": "128"},
    {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2_Usable"},
    {"HOME": "/nowhere"},
]


def test_no_false_alarm(frozen: Project, row: Row) -> None:
    """Each variation in a process of its own, all in one container: code paths, threads, batches, seeds …"""
    assert len(HARMLESS) >= 100
    script = (
        "import json, os, subprocess, sys\n"
        "for change in json.loads(sys.argv[1]):\n"
        "    entry = ['/opt/venv/bin/python', '-I', '/opt/mlimage/entrypoint.py', 'verify', '--json']\n"
        "    done = subprocess.run(entry, env={**os.environ, **change}, capture_output=True, text=True)\n"
        "    print(json.dumps([done.returncode, done.stdout, done.stderr]), flush=True)\n"
    )
    words = ("run", IMAGE, "--runtime", "sandbox", "--", "python", "-c", script, json.dumps(HARMLESS))
    lines = frozen.done(*words).splitlines()
    assert len(lines) == len(HARMLESS)
    alarms, largest, differing = [], 0.0, 0
    for change, line in zip(HARMLESS, lines, strict=True):
        status, output, errors = json.loads(line)
        verdicts = json.loads(output)["verdicts"] if output else []
        differing += any(each["word"] != "identical" for each in verdicts)
        if status or not verdicts:
            alarms.append((change, output[-2000:], errors))
        else:
            parts = [each["error"] / each["tolerance"] for each in verdicts if each["tolerance"]]
            largest = max(largest, *parts)
    assert not alarms
    # Else they were no variations.
    assert differing > 20
    row("what does no harm", f"{len(HARMLESS)} variations", f"{differing} with other bits", "0 false alarms")
    row("what does no harm", "the farthest", f"{largest:.2g} of what is allowed", "")
