"""The probe as a process: each cause really switched, by the libraries' own switches, and named."""

import json
import platform
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from mlimage.runtime.probe.measure import without_values
from mlimage.runtime.probe.record import parse_record
from mlimage.runtime.probe.verdicts import compare
from support.probing import probed, word

GROUPS = ("--group", "python", "--group", "numpy")


@cache
def plain() -> dict[str, Any]:
    return probed(*GROUPS)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "there.json"
    path.write_text(json.dumps(plain()))
    return path


def _dispatched() -> str:
    core = import_module("numpy._core._multiarray_umath")
    return " ".join(core.__cpu_dispatch__)


def _switches() -> dict[str, tuple[str, dict[str, str]]]:
    """By cause, each switch that this architecture has."""
    found = {
        "threads": ("B11", {"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}),
        "sets": ("D3", {"PYTHONHASHSEED": "1"}),
    }
    if platform.machine() == "x86_64":
        found["numpy"] = ("B1", {"NPY_DISABLE_CPU_FEATURES": _dispatched()})
        found["openblas"] = ("B3", {"OPENBLAS_CORETYPE": "Prescott"})
        found["libm"] = ("A6", {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA"})
    return found


SWITCHES = _switches()


@pytest.mark.parametrize(("cause", "switch"), SWITCHES.values(), ids=list(SWITCHES))
def test_a_cause_that_is_switched_is_the_one_that_is_named(cause: str, switch: dict[str, str]) -> None:
    other = probed(*GROUPS, **switch)
    found = compare(other, plain())
    assert [finding.cause.id for finding in found.findings] == [cause]
    assert found.agrees
    assert found.only_here == found.only_there == ()


def test_twice_the_same() -> None:
    found = compare(probed(*GROUPS), plain())
    assert {verdict.word for verdict in found.verdicts} == {"identical"}
    assert found.findings == ()


def test_what_it_says_to_people(saved: Path) -> None:
    done = word("probe", "--group", "python", "--against", str(saved), PYTHONHASHSEED="1")
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert lines[0].startswith("class: ")
    assert lines[1].startswith("12 operations, each within its bound of the truth (")
    assert lines[3:-2] == [
        "OPERATION                         APART  ALLOWED  VERDICT",
        "canary.set                            -      any  other order of equals",
        "cause D3: another order of sets (PYTHONHASHSEED)  (canary.set)",
        "  fix: set `determinism: {seed: …}`, or sort what comes from a set",
    ]
    assert lines[-2].startswith("only there: numpy.overflow.int32, ")
    assert lines[-1] == "12 operations: 11 identical, 1 in another order of equals"


def test_what_it_says_to_programs() -> None:
    done = word("probe", "--json", "--group", "python")
    said = json.loads(done.stdout)
    assert set(said) == {"schema", "fingerprint", "operations", "skipped", "seconds", "comparison"}
    assert (said["schema"], said["comparison"]) == ("mlimage/probe/1", None)
    assert "values" not in said["operations"][0]
    assert said["seconds"]["all"] < 5


def _damaged(change: Any) -> str:
    record = json.loads(json.dumps(plain()))
    change(record)
    return json.dumps(record)


def _swap_values(record: dict[str, Any]) -> None:
    operations = {each["name"]: each for each in record["operations"]}
    operations["libm.exp"].update(sha256="0" * 64)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is no record of a probe"),
        ("[1]", "it is no record of a probe"),
        ('{"schema": "mlimage/fingerprint/1"}', "it is no record of a probe, but of `mlimage/fingerprint/1`"),
        (
            '{"schema": "mlimage/probe/2"}',
            "it has version 2 of the format, and this one reads version 1",
        ),
        ('{"schema": "mlimage/probe/1"}', "it is damaged"),
    ],
)
def test_a_file_that_is_no_record(text: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "there.json"
    path.write_text(text)
    done = word("probe", "--group", "python", "--against", str(path))
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"mlimage: {path}: {why}\n")


def test_a_file_that_is_not_there() -> None:
    done = word("probe", "--against", "nowhere.json")
    assert (done.returncode, done.stderr) == (
        2,
        "mlimage: cannot read nowhere.json: No such file or directory\n",
    )


def test_values_that_are_not_what_their_digest_says(tmp_path: Path) -> None:
    path = tmp_path / "there.json"
    path.write_text(_damaged(_swap_values))
    done = word("probe", "--group", "python", "--against", str(path))
    assert (done.returncode, done.stderr) == (
        2,
        "mlimage: the values of `libm.exp` do not have the digest that stands beside them\n",
    )


def test_a_record_without_arrays_can_be_compared_where_all_is_equal(tmp_path: Path) -> None:
    record = parse_record(json.dumps(without_values(plain())).encode())
    assert compare(plain(), record).agrees
    record["operations"][5]["sha256"] = "0" * 64
    with pytest.raises(ValueError, match=r"^there are no values of `libm.exp` in it, only their digest$"):
        compare(plain(), record)


def test_a_group_that_is_not_there() -> None:
    done = word("probe", "--group", "jax")
    assert (done.returncode, done.stderr) == (2, "mlimage: --group: this image has no jax\n")


def test_a_gpu_that_is_not_there() -> None:
    done = word("probe", "--group", "cuda")
    assert (done.returncode, done.stderr) == (
        2,
        "mlimage: --group: PyTorch sees no GPU here, or is not in this image\n",
    )


@pytest.fixture
def broken(tmp_path: Path) -> dict[str, str]:
    """A machine whose `exp` is wrong by a billionth."""
    (tmp_path / "sitecustomize.py").write_text(
        "import math\nright = math.exp\nmath.exp = lambda x: right(x) * (1 + 1e-9)\n"
    )
    return {"PYTHONPATH": str(tmp_path)}


def test_a_machine_that_computes_wrong_is_found_without_another_one(broken: dict[str, str]) -> None:
    done = word("probe", "--group", "python", **broken)
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (8, "")
    assert lines[1:-1] == [
        "OPERATION                         ERROR    BOUND  RESULT",
        "libm.exp                        1.0e-09  2.0e-15  WRONG",
        "cause A5: a numeric library that computes wrong on this CPU  (libm.exp)",
        "  fix: `determinism: {profile: strict}` pins it to kernels that are well tested",
    ]
    assert lines[-1].startswith("1 of 12 operations are wrong: this machine computes wrong results (")


def test_a_difference_beyond_the_tolerance(broken: dict[str, str], saved: Path) -> None:
    done = word("probe", "--json", "--group", "python", "--against", str(saved), **broken)
    said = json.loads(done.stdout)["comparison"]
    [beyond] = [verdict for verdict in said["verdicts"] if verdict["word"] == "beyond"]
    assert (done.returncode, said["agrees"]) == (8, False)
    assert (beyond["name"], beyond["tolerance"]) == ("libm.exp", 1e-10)
    assert beyond["error"] == pytest.approx(1e-9, rel=0.01)
    assert [(cause["id"], cause["operations"]) for cause in said["causes"]] == [("A6", ["libm.exp"])]
