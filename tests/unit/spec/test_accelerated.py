"""The variants that an import has."""

import tomllib
from pathlib import Path

import pytest

import mlimage.spec
from mlimage.spec.accelerated import Sorted, sort_requirements
from mlimage.spec.import_indexes import (
    Build,
    build_at,
    clean_url,
    index_name,
    is_all_builds,
    may_stand,
    pytorch_wheel,
)

_PYTORCH = "https://download.pytorch.org/whl"
_FAMILY = "torch, torchvision, torchaudio"


def _said(decided: Sorted) -> dict[str, list[str]]:
    """By variant what it has of its own, and by `all` what all have."""
    return {
        "all": list(decided.dependencies),
        **{
            variant.name: [
                *variant.dependencies,
                *(
                    f"{index.url.removeprefix(_PYTORCH)}: {', '.join(index.packages)}"
                    for index in variant.indexes
                ),
            ]
            for variant in decided.variants
        },
    }


@pytest.mark.parametrize(
    ("requirements", "said"),
    [
        (["numpy==1.26.4"], {"all": ["numpy==1.26.4"]}),
        (["tensorflow==2.15", "jax"], {"all": ["tensorflow==2.15", "jax"]}),
        (
            ["torch==2.3.1+cu121", "torchvision==0.18.1+cu121; python_version < '4'"],
            {
                "all": ["torch==2.3.1", 'torchvision==0.18.1; python_version < "4"'],
                "cpu": [f"/cpu: {_FAMILY}"],
                "cuda": [f"/cu121: {_FAMILY}"],
            },
        ),
        (["torch>=2"], {"all": ["torch>=2"], "cpu": [f"/cpu: {_FAMILY}"], "cuda": []}),
        (["timm"], {"all": ["timm"], "cpu": [f"/cpu: {_FAMILY}"], "cuda": []}),
        (["torch==2.3.1+cpu"], {"all": ["torch==2.3.1"], "cpu": [f"/cpu: {_FAMILY}"]}),
        (
            ["torch==2.3.1+rocm6.0", "pytorch-triton-rocm==2.3.1"],
            {"all": ["torch==2.3.1"], "cpu": [f"/cpu: {_FAMILY}"], "rocm": [f"/rocm6.0: {_FAMILY}"]},
        ),
        (
            ["torch==2.6.0.dev20241112+cu124"],
            {
                "all": ["torch==2.6.0.dev20241112"],
                "cpu": [f"/nightly/cpu: {_FAMILY}"],
                "cuda": [f"/nightly/cu124: {_FAMILY}"],
            },
        ),
        (
            ["torch==2.3.1+cpu; sys_platform == 'darwin'", "torch==2.3.1+cu118; sys_platform == 'linux'"],
            {
                "all": ['torch==2.3.1; sys_platform == "darwin"', 'torch==2.3.1; sys_platform == "linux"'],
                "cpu": [f"/cpu: {_FAMILY}"],
                "cuda": [f"/cu118: {_FAMILY}"],
            },
        ),
        (
            ["torch==2.3.1+cu121", "torchtext==0.18.0+cpu"],
            {
                "all": ["torch==2.3.1", "torchtext==0.18.0"],
                "cpu": [f"/cpu: {_FAMILY}, torchtext"],
                "cuda": [f"/cu121: {_FAMILY}, torchtext"],
            },
        ),
        (
            ["tensorflow[and-cuda,x]==2.15; os_name == 'posix'"],
            {
                "all": ['tensorflow[x]==2.15; os_name == "posix"'],
                "cpu": [],
                "cuda": ['tensorflow[and-cuda]; os_name == "posix"'],
            },
        ),
        (["jax[cuda12_pip]"], {"all": ["jax"], "cpu": [], "cuda": ["jax[cuda12_pip]"]}),
        (["jax[tpu]"], {"all": ["jax"], "cpu": [], "tpu": ["jax[tpu]"]}),
        (
            ["jax", "jaxlib==0.4.20+cuda12.cudnn89"],
            {"all": ["jax", "jaxlib==0.4.20"], "cpu": [], "cuda": ["jax[cuda12]"]},
        ),
        (["jax", "jax-cuda13-plugin==0.10"], {"all": ["jax"], "cpu": [], "cuda": ["jax[cuda13]"]}),
        (["jax", "nvidia-cublas-cu12==1"], {"all": ["jax"], "cpu": [], "cuda": ["jax[cuda12]"]}),
        (
            ["tensorflow==2.15", "nvidia-cudnn-cu12==8.9"],
            {"all": ["tensorflow==2.15"], "cpu": [], "cuda": ["tensorflow[and-cuda]"]},
        ),
        (["nvidia-cublas-cu12==1"], {"all": [], "cpu": [], "cuda": ["nvidia-cublas-cu12==1"]}),
        (
            ["onnxruntime-gpu==1.18", "cupy-cuda12x", "nvidia-ml-py"],
            {
                "all": ["nvidia-ml-py"],
                "cpu": ["onnxruntime==1.18"],
                "cuda": ["onnxruntime-gpu==1.18", "cupy-cuda12x"],
            },
        ),
        (
            ["onnxruntime-gpu", "onnxruntime"],
            {"all": ["onnxruntime"], "cpu": [], "cuda": ["onnxruntime-gpu"]},
        ),
        (
            ["xgboost==2.1.1", "nvidia-nccl-cu12==2.20"],
            {"all": [], "cpu": ["xgboost-cpu==2.1.1"], "cuda": ["xgboost==2.1.1"]},
        ),
        (["xgboost==1.7.6"], {"all": ["xgboost==1.7.6"]}),
        (["xgboost<2"], {"all": ["xgboost<2"]}),
        (["torch-scatter==2.1.2+pt23cu121"], {"all": ["torch-scatter==2.1.2"]}),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, list) else "",
)
def test_variants(requirements: list[str], said: dict[str, list[str]]) -> None:
    assert _said(sort_requirements(requirements, ())) == said


def test_one_variant_has_one_build() -> None:
    decided = sort_requirements(["torch==2.3.1+cu121"], [(Build(label="cu118"), "--extra-index-url U")])
    assert [str(note) for note in decided.left_out] == [
        "torch==2.3.1+cu121: `cu118` was taken, which the input says too; a variant has one build"
    ]


def test_what_is_said() -> None:
    decided = sort_requirements(
        ["torch==2.3.1+cu121", "triton==2.3.1", "nvidia-nccl-cu12==2.20", "torch-scatter==2.1.2+pt23cu121"],
        (),
    )
    assert [str(note) for note in decided.changed] == [
        (
            f"variants: `cpu` takes PyTorch from {_PYTORCH}/cpu and `cuda` takes PyTorch from "
            f"{_PYTORCH}/cu121; remove "
            "the one that you do not need"
        ),
        "torch==2.3.1+cu121: became `torch==2.3.1`; which build, each variant's index says",
        (
            "torch-scatter==2.1.2+pt23cu121: became `torch-scatter==2.1.2`: the build `pt23cu121` is of "
            "one index only; "
            "name that index and its packages under `indexes:`"
        ),
    ]
    assert [str(note) for note in decided.left_out] == [
        (
            "triton==2.3.1, nvidia-nccl-cu12==2.20: follows from the framework, and `mlimage lock` finds "
            "the versions "
            "that fit"
        )
    ]


@pytest.mark.parametrize(
    ("url", "build"),
    [
        (f"{_PYTORCH}/cu121", Build(label="cu121")),
        (f"{_PYTORCH}/cpu/", Build(label="cpu")),
        (f"{_PYTORCH}/nightly/rocm6.2", Build(label="rocm6.2", base=f"{_PYTORCH}/nightly")),
        (f"{_PYTORCH}/cu118/torch_stable.html", Build(label="cu118")),
        (f"{_PYTORCH}/torch_stable.html", None),
        (f"{_PYTORCH}/cu121x", None),
        (
            "https://me:hunter2@mirror.example.com/pt/whl/xpu",
            Build(label="xpu", base="https://mirror.example.com/pt/whl"),
        ),
        ("https://example.com/cu121", None),
    ],
)
def test_addresses_of_builds(url: str, build: Build | None) -> None:
    assert build_at(url) == build


def test_pages_of_all_builds() -> None:
    assert is_all_builds(f"{_PYTORCH}/torch_stable.html")
    assert is_all_builds(f"{_PYTORCH}/")
    assert not is_all_builds(f"{_PYTORCH}/cu121/torch_stable.html")
    assert not is_all_builds("https://example.com/simple")


def test_a_wheel_of_pytorch() -> None:
    wheel = "torch-2.3.1%2Bcu121-cp311-cp311-linux_x86_64.whl"
    assert pytorch_wheel(f"{_PYTORCH}/cu121/{wheel}#sha256=00") == "torch==2.3.1+cu121"
    assert pytorch_wheel(f"{_PYTORCH}/cu121/torch.whl") is None
    assert pytorch_wheel(f"https://example.com/{wheel}") is None


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("https://me:hunt@er2@example.com/simple/?token=x#y", "https://example.com/simple"),
        ("'https://${TOKEN}@example.com/simple'", "https://example.com/simple"),
        ("https://example.com/@scope/simple", "https://example.com/@scope/simple"),
    ],
)
def test_no_credentials(url: str, clean: str) -> None:
    assert clean_url(url) == clean
    assert may_stand(clean)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("https://packages.example.com:8443/simple", "packages-example-com"),
        ("https://10.0.0.1/simple", "index-10-0-0-1"),
        ("Our Index_2", "our-index-2"),
        ("default", "default-index"),
        ("é", "index"),
    ],
)
def test_names_of_indexes(text: str, name: str) -> None:
    assert index_name(text) == name


def test_a_name_is_of_one_kind() -> None:
    """A package of conda's that stood in two lists would be of whichever is asked first."""
    rules = tomllib.loads((Path(mlimage.spec.__file__).parent / "conda.toml").read_text())
    names = [*rules["names"], *rules["debian"], *(name for kind in rules["kinds"].values() for name in kind)]
    assert sorted(names) == sorted(set(names))
