"""What cannot be in one image, said before it is locked. The packages are those of real releases."""

import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from mlimage.errors import ResolveError
from mlimage.lock.cuda import refuse_unfit, unfit
from mlimage.lock.model import LockedPackage
from mlimage.spec.requirements import SpecRequirement
from support.locks import package

TORCH_CU13 = ("cuda-toolkit 13.0.3", "nvidia-cuda-runtime 13.0.96", "nvidia-cufft 12.0.0.61",
              "nvidia-cudnn-cu13 9.20.0.48", "nvidia-nccl-cu13 2.29.7")  # fmt: skip
TENSORFLOW = ("nvidia-cuda-runtime-cu12 12.9.79", "nvidia-cudnn-cu12 9.28.0.42", "nvidia-nccl-cu12 2.29.7")


def packages(texts: Sequence[str], *askers: str) -> list[LockedPackage]:
    return [replace(package(*text.split()), required_by=askers) for text in texts]


def asked(*texts: str) -> list[SpecRequirement]:
    return [
        SpecRequirement(text=text, place="dependencies", path="images/x/mlimage.yaml", line=line, column=5)
        for line, text in enumerate(texts, 10)
    ]


def test_two_cudas() -> None:
    both = [
        *packages(TORCH_CU13, "torch"),
        *packages(TENSORFLOW, "tensorflow"),
        *packages(["torch 2.13.0", "keras 3.0"], "-r dependencies"),
        *packages(["tensorflow 2.20.0"], "keras"),
    ]
    with pytest.raises(ResolveError) as caught:
        refuse_unfit(both, asked("numpy", "Keras>=3", "torch"), accelerator="cuda", variant="cuda")
    assert str(caught.value) == (
        "images/x/mlimage.yaml:11:5: an image has one CUDA, and the variant `cuda` has packages of CUDA 12 "
        "(`nvidia-cuda-runtime-cu12`, `nvidia-cudnn-cu12`, `nvidia-nccl-cu12`, asked for by `tensorflow`) "
        "and CUDA 13 (`cuda-toolkit`, `nvidia-cuda-runtime`, `nvidia-cudnn-cu13` and 1 more, "
        "asked for by `torch`)"
    )
    assert caught.value.hint == (
        "take releases or builds (`indexes:`) for one CUDA, or give each an image of its own"
    )


def test_cuda_in_a_variant_for_the_cpu() -> None:
    found = [
        *packages(["nvidia-nccl-cu12 2.29.7"], "xgboost"),
        *packages(["xgboost 3.1"], "-r train.dependencies"),
    ]
    with pytest.raises(ResolveError) as caught:
        refuse_unfit(found, asked("numpy", "xgboost>=3"), accelerator="cpu", variant="cpu")
    assert str(caught.value) == (
        "images/x/mlimage.yaml:11:5: the variant `cpu` is for the CPU, and has packages of CUDA "
        "(`nvidia-nccl-cu12`, asked for by `xgboost`)"
    )
    assert caught.value.hint == (
        "take what is built for the CPU: from an index of such builds (`indexes:`, as for torch), without an "
        "extra (`tensorflow`, not `tensorflow[and-cuda]`) or under another name (`xgboost-cpu`); or set "
        "`accelerator: cuda` in the variant"
    )
    assert caught.value.exit_status == 5


def test_packages_that_ask_for_each_other() -> None:
    ring = [*packages(["a-cu12 1.0"], "b"), *packages(["b 1.0"], "a-cu12", "-r dependencies")]
    with pytest.raises(ResolveError, match=r"mlimage.yaml:10:5: the variant `cpu` is for the CPU"):
        refuse_unfit(ring, asked("b"), accelerator="cpu", variant="cpu")


@pytest.mark.parametrize(
    ("texts", "accelerator"),
    [
        (["torch 2.13.0+cpu", "numpy 2.3.5"], "cpu"),
        ([*TORCH_CU13, "torch 2.13.0+cu130"], "cuda"),
        ([], "cuda"),
    ],
)
def test_what_an_image_can_have(texts: Sequence[str], accelerator: str) -> None:
    assert unfit(packages(texts), accelerator=accelerator, variant=accelerator) is None
    refuse_unfit(packages(texts), asked("torch"), accelerator=accelerator, variant=accelerator)


def test_the_table() -> None:
    path = Path(__file__).parents[3] / "builder/mlimage/lock/cuda.toml"
    table = tomllib.loads(path.read_text())
    assert table.keys() == {"toolkit", "cudnn", "nccl", "drivers"}
    names = [*table["toolkit"], table["cudnn"], table["nccl"]]
    assert names == [canonicalize_name(name) for name in names]
    drivers = [(int(major), Version(driver)) for major, driver in table["drivers"].items()]
    assert drivers == sorted(drivers)
    assert [driver for _, driver in drivers] == sorted(driver for _, driver in drivers)
