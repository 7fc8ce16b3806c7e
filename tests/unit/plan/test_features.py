"""What `strict` says to numpy and XLA, by version and platform."""

import pytest

from mlimage.plan.features import numpy_features, xla_flags
from mlimage.platforms import LINUX_AMD64, LINUX_ARM64
from support.locks import package

AVX512 = "AVX512F AVX512CD AVX512_KNL AVX512_KNM AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL"


@pytest.mark.parametrize(
    ("version", "names"),
    [
        ("1.26.4", AVX512),
        ("2.2.6", AVX512),
        ("2.3.5", f"{AVX512} AVX512_SPR"),
        ("2.4.6", "X86_V4 AVX512_ICL AVX512_SPR"),
        ("3.0", "X86_V4 AVX512_ICL AVX512_SPR"),
        ("1.19", ""),
    ],
)
def test_numpy(version: str, names: str) -> None:
    packages = [package("scipy", "1.0"), package("numpy", version)]
    assert " ".join(numpy_features(packages, LINUX_AMD64)) == names


def test_numpy_on_arm_and_without_numpy() -> None:
    assert numpy_features([package("numpy", "2.4.6")], LINUX_ARM64) == (
        "ASIMDHP", "ASIMDDP", "ASIMDFHM", "SVE",
    )  # fmt: skip
    assert numpy_features([package("scipy", "1.0")], LINUX_AMD64) == ()


def test_xla() -> None:
    deterministic, isa = "--xla_gpu_deterministic_ops=true", "--xla_cpu_max_isa=AVX2"
    assert xla_flags([package("jaxlib", "0.10.2")], LINUX_AMD64) == (deterministic, isa)
    assert xla_flags([package("jaxlib", "0.10.2")], LINUX_ARM64) == (deterministic,)
    assert xla_flags([package("jaxlib", "0.4.30")], LINUX_AMD64) == (deterministic,)
    assert xla_flags([package("tensorflow", "2.21")], LINUX_AMD64) == (deterministic,)
    assert xla_flags([package("numpy", "2.4.6")], LINUX_AMD64) == ()
