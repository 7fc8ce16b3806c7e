"""What a lock says about CUDA. The locks are those of real releases, cut to what matters here."""

import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from mlimage.errors import BuildError
from mlimage.lock.model import LockedPackage
from mlimage.plan.cuda import CudaFacts, cuda_facts
from mlimage.plan.decide import plan
from mlimage.plan.model import ImageConfig
from mlimage.spec.load import LoadedSpec, parse_spec
from support.locks import lock, package

TORCH_CU13 = ("torch 2.13.0", "cuda-toolkit 13.0.3", "cuda-bindings 13.0.3", "cuda-pathfinder 1.3.4",
              "nvidia-cublas 13.1.0.3", "nvidia-cuda-runtime 13.0.96", "nvidia-cufft 12.0.0.61",
              "nvidia-cudnn-cu13 9.20.0.48", "nvidia-nccl-cu13 2.29.7", "triton 3.7.1")  # fmt: skip
TORCH_CU126 = ("torch 2.13.0+cu126", "nvidia-cuda-runtime-cu12 12.6.77", "nvidia-cufft-cu12 11.3.0.4",
               "nvidia-cudnn-cu12 9.20.0.48", "nvidia-nccl-cu12 2.29.7")  # fmt: skip
TENSORFLOW = ("tensorflow 2.20.0", "nvidia-cuda-runtime-cu12 12.9.79", "nvidia-cudnn-cu12 9.28.0.42",
              "nvidia-nccl-cu12 2.29.7")  # fmt: skip
JAX_CU13 = ("jax 0.12.0", "jax-cuda13-plugin 0.12.0.1", "jax-cuda13-pjrt 0.12.0.1",
            "nvidia-cuda-runtime 13.5.37", "nvidia-cudnn-cu13 9.28.1.4",
            "nvidia-nccl-cu13 2.32.3")  # fmt: skip


def _packages(texts: Sequence[str], *askers: str) -> list[LockedPackage]:
    found = [package(*text.split()) for text in texts]
    return [replace(each, required_by=askers) for each in found] if askers else found


def _facts(version: str, cudnn: str | None, nccl: str | None, driver: str | None) -> CudaFacts:
    return CudaFacts(version=version, cudnn=cudnn, nccl=nccl, driver=driver)


@pytest.mark.parametrize(
    ("texts", "facts"),
    [
        (TORCH_CU13, _facts("13.0", "9.20.0.48", "2.29.7", "580")),
        (TORCH_CU126, _facts("12.6", "9.20.0.48", "2.29.7", "525.60.13")),
        (TENSORFLOW, _facts("12.9", "9.28.0.42", "2.29.7", "525.60.13")),
        (JAX_CU13, _facts("13.5", "9.28.1.4", "2.32.3", "580")),
        (["torch 2.4.1+cu118"], _facts("11.8", None, None, "450.80.02")),
        (["flash-attn 2.8.3+cu12torch2.6cxx11abifalse"], _facts("12", None, None, "525.60.13")),
        (["jax-cuda12-plugin 0.10.2", "jax-cuda12-pjrt 0.10.2"], _facts("12", None, None, "525.60.13")),
        (["cupy-cuda12x 14.2.0"], _facts("12", None, None, "525.60.13")),
        (["nvidia-dali-cuda120 1.50.0", "torch 2.7.1+cu128"], _facts("12.8", None, None, "525.60.13")),
        (["nvidia-cublas-cu14 14.0.0"], _facts("14", None, None, None)),
    ],
)  # fmt: skip
def test_facts(texts: Sequence[str], facts: CudaFacts) -> None:
    packages = _packages(texts)
    assert cuda_facts(packages) == cuda_facts(packages[::-1]) == facts


@pytest.mark.parametrize(
    "text",
    ["numpy 2.3.5", "torch 2.13.0+cpu", "torch 2.13.0", "nvidia-ml-py 13.580.82", "cuda-pathfinder 1.3.4",
     "cuda-bindings 13.0.3", "torch 2.13.0+rocm6.4", "cucumber-cu 1.0", "cu-cats 13.0"],
)  # fmt: skip
def test_what_says_nothing_about_cuda(text: str) -> None:
    assert cuda_facts(_packages([text])) is None


def test_two_cudas() -> None:
    both = [*_packages(TORCH_CU13, "torch"), *_packages(TENSORFLOW[1:], "tensorflow")]
    with pytest.raises(BuildError) as error:
        cuda_facts(both)
    assert str(error.value) == (
        "an image has one CUDA, and the lock has packages of CUDA 12 (`nvidia-cuda-runtime-cu12`, "
        "`nvidia-cudnn-cu12`, `nvidia-nccl-cu12`, asked for by `tensorflow`) and CUDA 13 (`cuda-toolkit`, "
        "`nvidia-cuda-runtime`, `nvidia-cudnn-cu13` and 1 more, asked for by `torch`)"
    )
    assert error.value.hint == (
        "lock releases or builds (`indexes:`) for one CUDA, or give each an image of its own"
    )


def _config(packages: Sequence[LockedPackage], env: str = "") -> ImageConfig:
    text = f"name: digits\npython: '3.11'\nbase: {{debian: bookworm}}\nvariants: {{cuda: {{}}}}\n{env}"
    text += "train: {command: python train.py}\n"
    spec = parse_spec(text.encode(), path="mlimage.yaml", folder="digits")
    loaded = LoadedSpec(spec=spec, requirements=(), ignore=())
    return plan(loaded, replace(lock(packages), variant="cuda")).config


def test_what_the_image_says() -> None:
    config = _config(_packages(TORCH_CU13))
    plain = _config([])
    assert dict(set(config.env) - set(plain.env)) == {
        "NVIDIA_VISIBLE_DEVICES": "all",
        "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
        "NVIDIA_REQUIRE_CUDA": "cuda>=13.0",
    }
    labels = dict(set(config.labels) - set(plain.labels))
    del labels["dev.mlimage.lock"]
    assert labels == {
        "dev.mlimage.cuda": "13.0",
        "dev.mlimage.cudnn": "9.20.0.48",
        "dev.mlimage.nccl": "2.29.7",
        "dev.mlimage.min-driver": "580",
    }


def test_the_env_of_the_spec_wins() -> None:
    env = dict(_config(_packages(TORCH_CU126), "env: {NVIDIA_REQUIRE_CUDA: cuda>=12.4}\n").env)
    assert env["NVIDIA_REQUIRE_CUDA"] == "cuda>=12.4"
    assert env["NVIDIA_VISIBLE_DEVICES"] == "all"


def test_cuda_in_a_variant_for_the_cpu() -> None:
    text = b"name: digits\npython: '3.11'\nbase: {debian: bookworm}\ntrain: {command: python train.py}\n"
    loaded = LoadedSpec(
        spec=parse_spec(text, path="mlimage.yaml", folder="digits"), requirements=(), ignore=()
    )
    with pytest.raises(BuildError) as error:
        plan(loaded, lock(_packages(["nvidia-nccl-cu12 2.29.7"], "xgboost")))
    assert str(error.value) == (
        "the variant `cpu` is for the CPU, and its lock has packages of CUDA (`nvidia-nccl-cu12`, asked for "
        "by `xgboost`)"
    )
    assert error.value.hint == (
        "take what is built for the CPU: from an index of such builds (`indexes:`, as for torch), without an "
        "extra (`tensorflow`, not `tensorflow[and-cuda]`) or under another name (`xgboost-cpu`); or set "
        "`accelerator: cuda` in the variant"
    )


def test_the_table() -> None:
    path = Path(__file__).parents[3] / "builder/mlimage/plan/cuda.toml"
    table = tomllib.loads(path.read_text())
    assert table.keys() == {"toolkit", "cudnn", "nccl", "drivers"}
    names = [*table["toolkit"], table["cudnn"], table["nccl"]]
    assert names == [canonicalize_name(name) for name in names]
    drivers = [(int(major), Version(driver)) for major, driver in table["drivers"].items()]
    assert drivers == sorted(drivers)
    assert [driver for _, driver in drivers] == sorted(driver for _, driver in drivers)
