"""What a lock says about CUDA. The locks are those of real releases, cut to what matters here."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

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


@pytest.mark.parametrize(
    ("variant", "texts", "message"),
    [
        ("cpu", TORCH_CU126, "the variant `cpu` is for the CPU, and has packages of CUDA"),
        ("cuda", (*TORCH_CU13, "cupy-cuda12x 14.2.0"), "an image has one CUDA, and the variant `cuda` has"),
    ],
)
def test_a_lock_that_no_image_can_have(variant: str, texts: Sequence[str], message: str) -> None:
    text = f"name: digits\npython: '3.11'\nbase: {{debian: bookworm}}\nvariants: {{{variant}: {{}}}}\n"
    spec = parse_spec(
        (text + "train: {command: python train.py}\n").encode(), path="mlimage.yaml", folder="digits"
    )
    loaded = LoadedSpec(spec=spec, requirements=(), ignore=())
    with pytest.raises(BuildError) as error:
        plan(loaded, replace(lock(_packages(texts)), variant=variant))
    assert str(error.value).startswith(message)
    assert error.value.hint is not None
