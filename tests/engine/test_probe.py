"""`mlimage fingerprint` and `mlimage probe` as users type them, in engines and in the sandbox."""

import json
import platform
from pathlib import Path

import pytest

from mlimage.cache import Cache
from mlimage.oci.store import Store
from support.building import IMAGE, build, project_at
from support.machine import DOCKERS, PODMANS
from support.running import small_image
from support.runs import SANDBOX, run

pytestmark = pytest.mark.network

PLACES = [*(pytest.param(name, marks=pytest.mark.engine) for name in (DOCKERS[0], PODMANS[0])), SANDBOX]
SWITCHES = [("B11", "OPENBLAS_NUM_THREADS=1", "t=2"), ("D3", "PYTHONHASHSEED=1", "t=2")]
if platform.machine() == "x86_64":
    SWITCHES.append(("B3", "OPENBLAS_CORETYPE=Nehalem", "openblas=Nehalem"))
STILL = "`mlimage inspect` and `mlimage diff` still work with it"


@pytest.fixture
def folder(tmp_path: Path, warm_cache: Cache) -> Path:
    for path in (tmp_path, tmp_path.parent, warm_cache.root):
        path.chmod(0o755)  # the user of the image is another
    project = project_at(tmp_path / "project")
    build(project, warm_cache)
    return project


@pytest.mark.parametrize("runtime", PLACES)
def test_a_shipped_image_computes_right_and_names_what_differs(
    runtime: str, warm_cache: Cache, folder: Path
) -> None:
    def probe(*arguments: str) -> str:
        done = run(warm_cache, folder, runtime, IMAGE, *arguments, verb="probe")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    threads = ("-e", "OMP_NUM_THREADS=2", "-e", "OPENBLAS_NUM_THREADS=2")
    said = probe("--save", "here.json", *threads)
    assert "operations, each within its bound of the truth (" in said
    record = json.loads((folder / "here.json").read_text())
    groups = {operation["name"].partition(".")[0] for operation in record["operations"]}
    assert groups == {"canary", "libm", "numpy", "sklearn"}
    assert (record["fingerprint"]["profile"], record["skipped"]) == ("fast", {})
    assert record["fingerprint"]["image"]["name"] == f"{IMAGE}:cpu"
    for cause, switch, part in SWITCHES:
        found = json.loads(probe("--json", "--against", "here.json", *threads, "-e", switch))
        assert [each["id"] for each in found["comparison"]["causes"]] == [cause]
        assert found["comparison"]["agrees"]
        assert part in found["fingerprint"]["numeric_class"]


@pytest.mark.namespaces
def test_strict_is_another_class_and_computes_right(warm_cache: Cache, folder: Path) -> None:
    strict = ("-e", "MLIMAGE_PROFILE=strict")
    done = run(warm_cache, folder, "sandbox", IMAGE, "--save", "strict.json", *strict, verb="probe")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((folder / "strict.json").read_text())["fingerprint"]
    assert found["profile"] == "strict"
    if platform.machine() == "x86_64":
        assert found["numeric_class"] == "x86_64;libm=fma;openblas=Haswell;npy=X86_V3;t=1"
    again = run(
        warm_cache, folder, "sandbox", IMAGE, "--against", "strict.json", "--cpus", "1", *strict, verb="probe"
    )
    assert again.stdout.endswith("\n48 operations: 48 identical\n")


TORCH = {
    "ATEN_CPU_CAPABILITY=default": "B5",
    "ONEDNN_MAX_CPU_ISA=SSE41": "B6",
    "MKL_CBWR=COMPATIBLE": "B4",
    "OMP_NUM_THREADS=1": "B11",
}


@pytest.mark.heavy
@pytest.mark.namespaces
def test_the_causes_of_torch(warm_cache: Cache, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path.parent, warm_cache.root):
        path.chmod(0o755)
    image = "digits-pytorch"
    project = project_at(tmp_path / "project", image)
    build(project, warm_cache, image=image)
    threads = ("-e", "OMP_NUM_THREADS=2")
    done = run(warm_cache, project, "sandbox", image, "--save", "here.json", *threads, verb="probe")
    assert done.returncode == 0, done.stdout + done.stderr
    for switch, cause in TORCH.items():
        arguments = ("--json", "--against", "here.json", *threads, "-e", switch)
        said = json.loads(run(warm_cache, project, "sandbox", image, *arguments, verb="probe").stdout)
        assert said["comparison"]["agrees"]
        assert [each["id"] for each in said["comparison"]["causes"]] == [cause]
        assert said["seconds"]["all"] < 20  # on two cores that others use too


@pytest.mark.namespaces
def test_a_fingerprint_against_another(warm_cache: Cache, folder: Path) -> None:
    def fingerprint(*arguments: str) -> tuple[int, str]:
        done = run(warm_cache, folder, "sandbox", IMAGE, *arguments, verb="fingerprint")
        return done.returncode, done.stdout

    status, said = fingerprint("--json")
    (folder / "there.json").write_text(said)
    assert status == 0
    assert fingerprint("--against", "there.json", "--exit-code") == (
        0,
        "one numeric class and equal software: equal bits are to be expected\n",
    )
    status, said = fingerprint("--against", "there.json", "--exit-code", "-e", "PYTHONHASHSEED=7")
    assert (status, said) == (
        8,
        (
            "bitwise: last bits may differ\n"
            "FIELD               THERE  HERE  WHAT\n"
            "python.hash_seed        0     7  the order of sets\n"
            "env.PYTHONHASHSEED      0     7  the order of sets\n"
            "\n"
            "cause D3: another order of sets (PYTHONHASHSEED)\n"
            "  fix: set `determinism: {seed: …}`, or sort what comes from a set\n"
            "one numeric class, and yet last bits may differ\n"
        ),
    )


@pytest.mark.namespaces
def test_a_machine_that_computes_wrong(warm_cache: Cache, folder: Path) -> None:
    """The application's folder is on PYTHONPATH, so what is in it can spoil libm."""
    patch = "import math\nright = math.exp\nmath.exp = lambda x: right(x) * (1 + 1e-9)\n"
    (folder / "images" / IMAGE / "app" / "sitecustomize.py").write_text(patch)
    build(folder, warm_cache)
    done = run(warm_cache, folder, "sandbox", IMAGE, verb="probe")
    assert done.returncode == 8
    assert "libm.exp                        1.0e-09  2.0e-15  WRONG" in done.stdout
    assert "operations are wrong: this machine computes wrong results (" in done.stdout


def test_images_without_these_words(warm_cache: Cache, tmp_path: Path) -> None:
    store = Store(warm_cache.store)
    small_image(store, "foreign")
    small_image(store, "old", labels={"dev.mlimage.lock": "sha256:1"})
    found = [
        run(warm_cache, tmp_path, "sandbox", name, verb=verb)
        for name, verb in (("foreign", "probe"), ("old", "fingerprint"))
    ]
    assert [(done.returncode, done.stdout, done.stderr) for done in found] == [
        (
            10,
            "",
            (
                "error: `foreign:cpu` was not built by mlimage: there is no `probe` in it\n"
                f"hint: {STILL}; to have it, build the image from a spec: `mlimage init`\n"
            ),
        ),
        (
            10,
            "",
            (
                "error: `old:cpu` was built by an older mlimage: there is no `fingerprint` in it\n"
                f"hint: build it again: `mlimage build old`; {STILL}\n"
            ),
        ),
    ]
