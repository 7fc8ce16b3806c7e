"""Which cause a pattern of differing operations names: patterns as measured, one switch at a time."""

import base64
import struct
from typing import Any

import pytest

from mlimage.runtime.causes import CAUSES
from mlimage.runtime.probe.diagnosis import MATRIX, diagnose
from mlimage.runtime.probe.operation import Values, doubles
from mlimage.runtime.probe.verdicts import compare, why_wrong

TORCH_MODELS = ("torch.transformer.1", "torch.transformer.4", "torch.training")

PATTERNS = {
    "NPY_DISABLE_CPU_FEATURES": (
        ["B1"],
        (
            *("numpy.argsort.ties", "numpy.exp.float64", "numpy.log1p.float32", "numpy.log1p.float64"),
            *("numpy.arctan.float64", "numpy.cbrt.float32", "numpy.power.float32"),
        ),
    ),
    "OPENBLAS_CORETYPE": (
        ["B3"],
        (
            *("numpy.gemm.float32.small", "numpy.gemm.float32", "numpy.gemv.float32", "numpy.dot.float32"),
            *("numpy.inv.float64", "numpy.svd.float64", "numpy.eigh.float64", "numpy.lstsq.float64"),
            *("sklearn.pca", "sklearn.ridge", "sklearn.logistic", "sklearn.svc"),
        ),
    ),
    "GLIBC_TUNABLES": (
        ["A6"],
        (
            "libm.exp",
            "libm.sin",
            "libm.tanh",
            "libm.pow",
            "libm.log1p",
            "numpy.sin.float64",
            "sklearn.logistic",
        ),
    ),
    "ATEN_CPU_CAPABILITY=avx2": (["B5"], ("torch.softmax", "torch.attention", "torch.training")),
    "ATEN_CPU_CAPABILITY=default": (
        ["B5"],
        (
            "torch.sigmoid",
            "torch.softmax",
            "torch.layernorm",
            "torch.attention",
            *TORCH_MODELS,
            "torch.randn",
        ),
    ),
    "ONEDNN_MAX_CPU_ISA=AVX2": (
        ["B6"],
        ("torch.gelu", "torch.conv2d", "torch.conv1d", "torch.cnn.16", "torch.training"),
    ),
    "ONEDNN_MAX_CPU_ISA=SSE41": (
        ["B6"],
        (
            *("torch.gelu", "torch.conv2d", "torch.conv2d.channels_last", "torch.conv2d.depthwise"),
            *("torch.conv1d", "torch.lstm", "torch.cnn.16", "torch.training"),
        ),
    ),
    "MKL_CBWR=COMPATIBLE": (
        ["B4"],
        (
            *(
                "torch.mm.64",
                "torch.mm.160",
                "torch.linear.1",
                "torch.linear.8",
                "torch.linear.32",
                "torch.bmm",
            ),
            *("torch.dot", "torch.solve.float64", "torch.svdvals", "torch.attention", *TORCH_MODELS),
            *("torch.cnn.1", "torch.cnn.16"),
        ),
    ),
    "MKL_CBWR=SSE4_2": (["B4"], ("torch.linear.1", "torch.dot", "torch.svdvals", "torch.cnn.1")),
    "OMP_NUM_THREADS": (["B11"], ("numpy.gemm.float32", "torch.sum", "torch.dot", "torch.training")),
    "OPENBLAS_NUM_THREADS": (["B11"], ("numpy.gemm.float32",)),
    "PYTHONHASHSEED": (["D3"], ("canary.set",)),
    "a sort alone": (["B2"], ("numpy.argsort.ties",)),
    "flushing to zero": (["B13"], ("canary.denormal",)),
    "TF32": (["C4"], ("torch.tf32.matmul", "torch.tf32.conv")),
    "TF32 on a GPU": (["C4"], ("cuda.tf32.matmul", "cuda.tf32.conv", "cuda.mm.64", "cuda.training")),
    "another GPU": (["C7"], ("cuda.mm.64", "cuda.training")),
    "another GPU and OpenBLAS": (["C7", "B3"], ("cuda.lstm", "numpy.svd.float64")),
    "numpy and threads": (["B1", "B11"], ("numpy.exp.float64", "torch.sum", "torch.dot")),
    "numpy and its OpenBLAS": (["B1", "B3"], ("numpy.exp.float64", "numpy.svd.float64", "sklearn.pca")),
    "what nobody knows": (["?"], ("canary.contraction",)),
}


@pytest.mark.parametrize(("causes", "differing"), PATTERNS.values(), ids=list(PATTERNS))
def test_the_pattern_names_the_cause(causes: list[str], differing: tuple[str, ...]) -> None:
    found = diagnose(differing)
    assert [finding.cause.id for finding in found] == causes
    assert sorted(name for finding in found for name in finding.operations) == sorted(differing)


def test_nothing_differs() -> None:
    assert diagnose([]) == []


def test_a_fault_is_no_code_path() -> None:
    found = diagnose(["torch.lstm", "torch.gelu"], faults=["torch.lstm"])
    assert [(finding.cause.id, finding.operations) for finding in found] == [
        ("FAULT", ("torch.lstm",)),
        ("B6", ("torch.gelu",)),
    ]


def test_other_versions_explain_all_of_their_group() -> None:
    found = diagnose(["numpy.exp.float64", "torch.sum"], other_versions={"numpy": "A1"})
    assert [(finding.cause.id, finding.operations) for finding in found] == [
        ("A1", ("numpy.exp.float64",)),
        ("B11", ("torch.sum",)),
    ]


def test_every_cause_of_the_matrix_is_in_the_catalogue() -> None:
    assert {pattern.cause for pattern in MATRIX} - set(CAUSES) == set()


def test_no_sign_belongs_to_two_causes() -> None:
    signs = [sign for pattern in MATRIX for sign in pattern.signs if pattern.cause != "B2"]
    assert len(signs) == len(set(signs))


def judged(*wrong_ones: str, emulated: bool = False, problem: str | None = None) -> dict[str, Any]:
    """A record of a machine on which these are wrong, and one is right."""
    said = {"correct": False, "problem": problem}
    operations = [
        {"name": name, "dtype": "float64" if name.endswith("64") else "float32", **said}
        for name in wrong_ones
    ]
    return {
        "operations": [*operations, {"name": "numpy.exp.float64", "correct": True}],
        "fingerprint": {"cpu": {"emulated": emulated}},
    }


@pytest.mark.parametrize(
    ("wrong_ones", "causes"),
    [
        ((), {}),
        (("torch.lstm",), {"A5": ("torch.lstm",)}),
        (("canary.denormal", "torch.tf32.conv"), {"B13": ("canary.denormal",), "C4": ("torch.tf32.conv",)}),
        (("cuda.lstm", "libm.exp"), {"C10": ("cuda.lstm",), "A5": ("libm.exp",)}),
        (("cuda.tf32.matmul", "cuda.lstm"), {"C4": ("cuda.tf32.matmul", "cuda.lstm")}),
        (
            ("cuda.tf32.matmul", "cuda.lstm", "cuda.solve.float64"),
            {"C4": ("cuda.tf32.matmul", "cuda.lstm"), "C10": ("cuda.solve.float64",)},
        ),
    ],
)
def test_what_is_wrong_alone_names_its_cause(
    wrong_ones: tuple[str, ...], causes: dict[str, tuple[str, ...]]
) -> None:
    assert {each.cause.id: each.operations for each in why_wrong(judged(*wrong_ones))} == causes


def test_a_gpu_that_computes_nothing_rounds_nothing() -> None:
    [found] = why_wrong(judged("cuda.tf32.matmul", "cuda.tf32.conv", "cuda.lstm", problem="RuntimeError: no"))
    assert found.cause.id == "C10"


def of_gpu(*, rounds: bool, wrong_product: float = 0.0) -> dict[str, Any]:
    """A record of a GPU with its canary and two products."""
    fine, product = ((1024.0, 0.50024) if rounds else (1024.5, 0.5)), 0.5 + wrong_product
    values = {
        "cuda.tf32.matmul": doubles([fine[0]]),
        "cuda.lstm": doubles([fine[1]]),
        "cuda.solve.float64": doubles([product]),
    }
    operations = []
    for name, value in values.items():
        dtype = "float64" if name.endswith("64") else "float32"
        kept = value if dtype == "float64" else Values(dtype, (1,), struct.pack("<f", *value.numbers()))
        operations.append(
            {
                "name": name,
                "correct": True,
                "problem": None,
                "dtype": dtype,
                "shape": [1],
                "tolerance": 5e-5 if name == "cuda.lstm" else 0,
                "sha256": kept.sha256,
                "values": base64.b64encode(kept.content).decode(),
            }
        )
    said = {"cpu": {"architecture": "x"}, "packages": {"numeric": {}}, "libc": {"version": "1"}}
    return {"operations": operations, "fingerprint": {**said, "numeric_class": "x"}}


def test_a_gpu_that_rounds_products_is_no_fault() -> None:
    found = compare(of_gpu(rounds=True), of_gpu(rounds=False))
    assert {each.cause.id: each.operations for each in found.findings} == {
        "C4": ("cuda.tf32.matmul", "cuda.lstm")
    }
    assert not found.agrees
    found = compare(of_gpu(rounds=True, wrong_product=1e-3), of_gpu(rounds=False))
    assert {each.cause.id: each.operations for each in found.findings} == {
        "FAULT": ("cuda.solve.float64",),
        "C4": ("cuda.tf32.matmul", "cuda.lstm"),
    }


def test_an_emulator_is_blamed_for_what_is_wrong() -> None:
    [found] = why_wrong(judged("torch.lstm", emulated=True))
    assert found.cause.id == "B10"
