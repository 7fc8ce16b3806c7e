"""What is set in libraries, on stand-ins for those that are large."""

import os
from types import ModuleType
from typing import Any

import pytest

from mlimage.runtime.switches import apply, worker_seed

STRICT = {"MLIMAGE_PROFILE": "strict", "MLIMAGE_SEED": "7", "OMP_NUM_THREADS": "3"}
FAST = {"MLIMAGE_PROFILE": "fast", "MLIMAGE_SEED": "7", "MLIMAGE_TF32": "0"}


class Library:
    """Remembers what it is told, by name: what is set, and what is called."""

    _said: dict[str, object]
    _name: str

    def __init__(self, said: dict[str, object], name: str = "") -> None:
        self.__dict__.update(_said=said, _name=name)

    def __getattr__(self, name: str) -> "Library":
        inner = Library(self._said, f"{self._name}.{name}".lstrip("."))
        self.__dict__[name] = inner
        return inner

    def __setattr__(self, name: str, value: object) -> None:
        self._said[f"{self._name}.{name}".lstrip(".")] = value

    def __call__(self, *arguments: object) -> None:
        self._said[self._name] = arguments[-1] if arguments else True


def told(name: str, environ: dict[str, str]) -> tuple[dict[str, object], dict[str, Any]]:
    """What the library was told, and what is recorded."""
    said: dict[str, object] = {}
    return said, apply(name, Library(said), environ)


TORCH = {
    "manual_seed": 7,
    "backends.cudnn.benchmark": False,
    "backends.cuda.matmul.allow_tf32": False,
    "backends.cudnn.allow_tf32": False,
    "backends.fp32_precision": "ieee",
    "backends.cudnn.conv.fp32_precision": "ieee",
    "backends.cudnn.rnn.fp32_precision": "ieee",
}
STRICT_TORCH = {
    "use_deterministic_algorithms": True,
    "utils.deterministic.fill_uninitialized_memory": False,
    "backends.cudnn.deterministic": True,
    "backends.cuda.matmul.allow_fp16_reduced_precision_reduction": False,
    "backends.cuda.matmul.allow_bf16_reduced_precision_reduction": False,
    "set_num_threads": 3,
}


def test_torch() -> None:
    assert told("torch", FAST) == (TORCH, {"seed": 7, "cudnn.benchmark": False, "tf32": False})
    said, record = told("torch", STRICT)
    assert said == TORCH | STRICT_TORCH
    assert record["threads"] == 3


def test_tf32_is_on_where_it_is_asked_for_alone() -> None:
    said, record = told("torch", FAST | {"MLIMAGE_TF32": "1"})
    assert (
        said["backends.cuda.matmul.allow_tf32"] is said["backends.cudnn.allow_tf32"] is record["tf32"] is True
    )
    assert "backends.fp32_precision" not in said
    tensor_float = "config.experimental.enable_tensor_float_32_execution"
    assert told("tensorflow", FAST | {"MLIMAGE_TF32": "1"})[0][tensor_float] is True
    assert told("jax", FAST | {"MLIMAGE_TF32": "1"}) == ({}, {"tf32": True})


def test_tensorflow() -> None:
    said, record = told("tensorflow", STRICT)
    assert said == {
        "random.set_seed": 7,
        "config.experimental.enable_tensor_float_32_execution": False,
        "config.experimental.enable_op_determinism": True,
        "config.threading.set_intra_op_parallelism_threads": 3,
        "config.threading.set_inter_op_parallelism_threads": 3,
    }
    assert record == {"seed": 7, "tf32": False, "deterministic": True, "threads": 3}


def test_jax() -> None:
    assert told("jax", FAST) == ({"config.update": "highest"}, {"tf32": False})
    assert told("jax", STRICT)[1] == {"tf32": False, "threefry_partitionable": True}


class Numpy(ModuleType):
    """As much of numpy as tells its code paths."""

    def __init__(self, **features: bool) -> None:
        super().__init__("numpy")
        self.__version__ = "9.9"
        umath = ModuleType("_multiarray_umath")
        vars(umath).update(__cpu_dispatch__=list(features), __cpu_features__=features)
        self._core = ModuleType("_core")
        vars(self._core).update(_multiarray_umath=umath)


def test_strict_makes_sure_that_numpy_understood() -> None:
    path = {"x86_64": "AVX2", "aarch64": "NEON"}[os.uname().machine]
    assert apply("numpy", Numpy(**{path: True}), STRICT) == {"dispatch": [path]}
    assert apply("numpy", Numpy(**{path: True, "AVX10_2": False}), STRICT) == {"dispatch": [path]}
    assert apply("numpy", Numpy(AVX10_2=True), FAST) == {}
    with pytest.raises(RuntimeError) as caught:
        apply("numpy", Numpy(**{path: True, "AVX10_2": True}), STRICT)
    assert str(caught.value) == "numpy 9.9 computes with AVX10_2"


def test_each_place_among_workers_has_a_seed() -> None:
    assert worker_seed(7, ()) == 7
    seeds = {worker_seed(seed, place) for seed in range(20) for place in [(1,), (2,), (1, 1), (1, 2), (2, 1)]}
    assert len(seeds) == 100
    assert all(0 <= seed < 2**32 for seed in seeds)
