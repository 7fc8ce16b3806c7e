"""What each profile sets, and what keeps a machine from it."""

import pytest

from mlimage.runtime.cpu import Cpu
from mlimage.runtime.failure import StartError
from mlimage.runtime.pins import Host, chosen_profile, lacking, pinned, pins, undone, unfit
from mlimage.runtime.roles import Determinism

STRICT = Determinism(
    profile="strict", seed=0, threads=2, numpy=("X86_V4", "AVX512_ICL"), xla=("--xla_cpu_max_isa=AVX2",)
)
FAST = Determinism(profile="fast", seed=0, threads=2, numpy=("X86_V4",))


def host(
    *flags: str, architecture: str = "x86_64", emulated: bool = False, processors: int = 2, gpu: bool = False
) -> Host:
    cpu = Cpu(architecture, "GenuineIntel", "6", "85", frozenset(flags), emulated=emulated)
    return Host(cpu=cpu, processors=processors, gpu=gpu)


def test_strict_on_x86() -> None:
    assert pins(STRICT, "x86_64") == {
        "OMP_NUM_THREADS": "2",
        "OPENBLAS_NUM_THREADS": "2",
        "MKL_NUM_THREADS": "2",
        "NUMEXPR_NUM_THREADS": "2",
        "MKL_DYNAMIC": "FALSE",
        "OMP_DYNAMIC": "FALSE",
        "OPENBLAS_CORETYPE": "Haswell",
        "MKL_CBWR": "COMPATIBLE",
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "DNNL_MAX_CPU_ISA": "AVX2",
        "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "TF_DETERMINISTIC_OPS": "1",
        "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "NVIDIA_TF32_OVERRIDE": "0",
        "NCCL_ALGO": "Ring",
        "NCCL_PROTO": "Simple",
    }


def test_strict_on_arm() -> None:
    found = pins(STRICT._replace(numpy=("ASIMDHP", "SVE")), "aarch64")
    assert (found["OPENBLAS_CORETYPE"], found["NPY_DISABLE_CPU_FEATURES"]) == ("ARMV8", "ASIMDHP SVE")
    assert found.keys().isdisjoint({"MKL_CBWR", "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA"})


def test_strict_for_one_vendor_leaves_mkl_its_speed() -> None:
    assert pins(STRICT, "x86_64").keys() - pins(STRICT._replace(cross_vendor=False), "x86_64") == {"MKL_CBWR"}


def test_an_image_without_numpy_and_xla() -> None:
    found = pins(STRICT._replace(numpy=(), xla=()), "x86_64")
    assert found.keys().isdisjoint({"NPY_DISABLE_CPU_FEATURES", "XLA_FLAGS"})


def test_fast_pins_nothing() -> None:
    assert pins(FAST, "x86_64") == {}
    assert undone({"OPENBLAS_CORETYPE": "Zen", "LD_PRELOAD": "/x.so"}, {}) is None
    assert pinned({"A": "1"}, {}) == {"A": "1"}


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({}, None),
        ({"OPENBLAS_CORETYPE": "Haswell", "MKL_CBWR": ""}, None),
        ({"XLA_FLAGS": "--xla_cpu_max_isa=AVX512"}, None),
        (
            {"OPENBLAS_CORETYPE": "SkylakeX"},
            "OPENBLAS_CORETYPE=SkylakeX undoes the profile `strict`, which has Haswell; leave it out",
        ),
        (
            {"OMP_NUM_THREADS": "4"},
            "OMP_NUM_THREADS=4 undoes the profile `strict`, which has 2; leave it out",
        ),
        (
            {"LD_PRELOAD": "/lib/libmkl_rt.so"},
            "LD_PRELOAD=/lib/libmkl_rt.so undoes the profile `strict`; leave it out",
        ),
        (
            {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-FMA"},
            "GLIBC_TUNABLES=glibc.cpu.hwcaps=-FMA undoes the profile `strict`; leave it out",
        ),
        (
            {"ONEDNN_DEFAULT_FPMATH_MODE": "BF16"},
            "ONEDNN_DEFAULT_FPMATH_MODE=BF16 undoes the profile `strict`; leave it out",
        ),
    ],
)
def test_variables_of_others(variables: dict[str, str], reason: str | None) -> None:
    assert undone(variables, pins(STRICT, "x86_64")) == reason


def test_flags_of_others_for_xla_stay_and_ours_come_last() -> None:
    found = pinned({"XLA_FLAGS": "--xla_cpu_max_isa=AVX512 --xla_x=1"}, pins(STRICT, "x86_64"))
    assert found["XLA_FLAGS"] == ("--xla_cpu_max_isa=AVX512 --xla_x=1 --xla_cpu_max_isa=AVX2")


@pytest.mark.parametrize(
    ("machine", "reason"),
    [
        (host("avx2", "fma", "sse2"), None),
        (host("asimd", architecture="aarch64"), None),
        (host(architecture="riscv64"), None),
        (host("sse2"), "the profile `strict` needs a CPU with avx2 and fma, and this one has not"),
        (host("avx2"), "the profile `strict` needs a CPU with fma, and this one has not"),
        (
            host(architecture="aarch64"),
            "the profile `strict` needs a CPU with asimd, and this one has not",
        ),
        (
            host("avx2", "fma", emulated=True),
            "the profile `strict` holds on no emulated CPU, whose numbers may be wrong",
        ),
        (
            host("avx2", "fma", processors=1),
            (
                "the profile `strict` computes with 2 threads (`determinism.threads`), and this container "
                "has 1 CPU; give it more, for others would give other numbers"
            ),
        ),
    ],
)
def test_machines(machine: Host, reason: str | None) -> None:
    assert unfit(STRICT, machine) == reason
    assert unfit(FAST, machine) is None


def test_a_gpu_that_is_required() -> None:
    for said in (FAST._replace(requires="cuda"), STRICT._replace(requires="cuda")):
        assert lacking(said, host(gpu=True)) is None
        assert lacking(said, host()) == (
            "the image requires a GPU (`require: cuda`), and no NVIDIA GPU is in this container; "
            "`docker run --gpus all` gives it those of the machine"
        )
    assert lacking(FAST, host()) is None


def test_the_caller_chooses_the_profile() -> None:
    assert chosen_profile(STRICT, {"MLIMAGE_PROFILE": "fast"}) == STRICT._replace(profile="fast")
    assert chosen_profile(FAST, {"MLIMAGE_PROFILE": "strict"}).profile == "strict"
    assert chosen_profile(FAST, {"MLIMAGE_PROFILE": ""}) == FAST
    with pytest.raises(StartError) as caught:
        chosen_profile(FAST, {"MLIMAGE_PROFILE": "exact"})
    assert (caught.value.message, caught.value.status) == (
        "MLIMAGE_PROFILE=exact is no profile; take `fast` or `strict`",
        78,
    )
