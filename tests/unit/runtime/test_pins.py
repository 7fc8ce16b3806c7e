"""The variables of a profile, and what keeps a machine from holding it."""

import pytest

from mlimage.runtime.cpu import Cpu
from mlimage.runtime.failure import StartError
from mlimage.runtime.pins import FORBIDDEN, Host, check_environment, check_host, pins
from mlimage.runtime.roles import Determinism

FAST = Determinism(profile="fast", seed=0)
STRICT = Determinism(
    profile="strict", seed=0, threads=2, numpy=("X86_V4", "AVX512_ICL"), xla=("--a=1", "--b=2")
)
INTEL = Cpu(
    architecture="x86_64", vendor="GenuineIntel", family="6", model="85", flags=frozenset({"avx2", "fma"}),
    emulated=False,
)  # fmt: skip
ARM = INTEL._replace(architecture="aarch64", vendor="0x41", flags=frozenset({"asimd"}))
HOST = Host(cpu=INTEL, processors=4, gpu=False)


def test_fast_leaves_libraries_their_speed() -> None:
    assert pins(FAST, "x86_64") == {"NVIDIA_TF32_OVERRIDE": "0"}
    assert pins(FAST._replace(tf32=True), "x86_64") == {}


def test_strict_pins_every_code_path() -> None:
    assert pins(STRICT, "x86_64") == {
        "ATEN_CPU_CAPABILITY": "avx2",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "DNNL_MAX_CPU_ISA": "AVX2",
        "MKL_CBWR": "COMPATIBLE",
        "MKL_DYNAMIC": "FALSE",
        "MKL_NUM_THREADS": "2",
        "NCCL_ALGO": "Ring",
        "NCCL_PROTO": "Simple",
        "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL",
        "NUMEXPR_NUM_THREADS": "2",
        "NVIDIA_TF32_OVERRIDE": "0",
        "OMP_DYNAMIC": "FALSE",
        "OMP_NUM_THREADS": "2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
        "OPENBLAS_NUM_THREADS": "2",
        "TF_DETERMINISTIC_OPS": "1",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "XLA_FLAGS": "--a=1 --b=2",
    }
    one_vendor = pins(STRICT._replace(cross_vendor=False), "x86_64")
    assert pins(STRICT, "x86_64").keys() - one_vendor.keys() == {"MKL_CBWR"}


def test_strict_on_arm() -> None:
    found = pins(STRICT, "aarch64")
    assert found["OPENBLAS_CORETYPE"] == "ARMV8"
    assert not found.keys() & {"ATEN_CPU_CAPABILITY", "MKL_CBWR", "ONEDNN_MAX_CPU_ISA"}


@pytest.mark.parametrize(
    ("said", "host", "message"),
    [
        (
            STRICT, HOST._replace(cpu=INTEL._replace(flags=frozenset({"fma"}))),
            ("the profile `strict` needs avx2, which this processor does not have; `determinism: {profile: "
            "fast}` runs here"),
        ),
        (
            STRICT, HOST._replace(cpu=ARM._replace(flags=frozenset())),
            ("the profile `strict` needs asimd, which this processor does not have; `determinism: {profile: "
            "fast}` runs here"),
        ),
        (
            STRICT, HOST._replace(cpu=INTEL._replace(emulated=True)),
            ("the profile `strict` holds on no emulated processor, whose numbers may be wrong; "
            "`determinism: {profile: fast}` runs here"),
        ),
        (
            STRICT, HOST._replace(processors=1),
            ("the profile `strict` computes with 2 threads, and this container has 1 processor; give it "
            "more, or lower `determinism.threads`, which gives other numbers"),
        ),
        (
            FAST._replace(requires="cuda"), HOST,
            ("this image requires a GPU (`require: cuda`), and no NVIDIA GPU is in this container; start it "
            "with `--gpus all`, or take the variant for the CPU"),
        ),
    ],
)  # fmt: skip
def test_machines_that_cannot_hold_it(said: Determinism, host: Host, message: str) -> None:
    with pytest.raises(StartError) as caught:
        check_host(said, host)
    assert (caught.value.message, caught.value.status) == (message, 78)


@pytest.mark.parametrize(
    ("said", "host"),
    [
        (STRICT, HOST),
        (STRICT, HOST._replace(cpu=ARM)),
        (FAST, HOST._replace(cpu=INTEL._replace(flags=frozenset(), emulated=True), processors=1)),
        (FAST._replace(requires="cuda"), HOST._replace(gpu=True)),
    ],
)
def test_machines_that_hold_it(said: Determinism, host: Host) -> None:
    check_host(said, host)


def test_what_undoes_it_is_refused() -> None:
    wanted = pins(STRICT, "x86_64")
    check_environment(STRICT, {**wanted, "OTHER": "1"}, wanted)
    with pytest.raises(StartError) as caught:
        check_environment(STRICT, {"MKL_CBWR": "AVX2"}, wanted)
    assert (caught.value.status, caught.value.message) == (
        78,
        (
            "MKL_CBWR=AVX2 undoes the profile `strict`, which wants MKL_CBWR=COMPATIBLE; leave it out, or "
            "build with `determinism: {profile: fast}`"
        ),
    )
    for name in FORBIDDEN:
        with pytest.raises(
            StartError, match=rf"^{name}=1 undoes the profile `strict`, which wants no {name};"
        ):
            check_environment(STRICT, {name: "1"}, wanted)
        check_environment(STRICT, {name: ""}, wanted)
        check_environment(FAST, {name: "1"}, {})
