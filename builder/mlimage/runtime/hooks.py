"""Seeds and switches of the libraries that a program imports, set when each is imported.

`mlimage.pth` in the image's site-packages starts this in every Python of the image, subprocesses and workers
included. Nothing is imported here that the program does not import: each start would wait for it.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

SEED = "MLIMAGE_SEED"
"""Variable of the seed; without it nothing is set."""
PROFILE = "MLIMAGE_PROFILE"
"""Variable of the determinism profile."""
_LEGACY = 2**32
"""numpy and tensorflow take seeds below it."""
_forks = 0
_applied: dict[str, dict[str, Any]] = {}


def install() -> None:
    """Watch imports from now on, where this Python was started by the image's entry point."""
    if os.environ.get(SEED, "").isdecimal() and not any(isinstance(each, _Watch) for each in sys.meta_path):
        sys.meta_path.insert(0, _Watch())
        for name in _ACTIONS:
            if name in sys.modules:
                _act(sys.modules[name])


def applied() -> dict[str, dict[str, Any]]:
    """What was set in this process, by the name of the module."""
    return {name: dict(said) for name, said in _applied.items()}


def seed_all(seed: int | None = None) -> dict[str, dict[str, Any]]:
    """Seed again whatever of these libraries is imported; gives what was set.

    Args:
        seed: another one than the image's.
    """
    if seed is not None:
        os.environ[SEED] = str(seed)
    for name in _ACTIONS:
        if name in sys.modules:
            _act(sys.modules[name])
    return applied()


class _Watch:
    """A finder that finds nothing itself: it lets the next one find, and acts when the module is there."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in _ACTIONS:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                _wrap(spec)
                return spec
        return None


def _wrap(spec: ModuleSpec) -> None:
    """Let the loader, of this one module, act behind its work; it stays of its own class."""
    loader: Any = spec.loader
    execute = getattr(loader, "exec_module", None)
    if execute is None or not hasattr(loader, "__dict__") or isinstance(loader, type):
        return

    def exec_module(module: ModuleType) -> None:
        del loader.exec_module
        execute(module)
        _act(module)

    loader.exec_module = exec_module


def _act(module: ModuleType) -> None:
    name = module.__name__
    try:
        _applied[name] = _ACTIONS[name](module, int(os.environ[SEED]))
    except Exception as error:  # noqa: BLE001 - a program must not fail for what it did not ask for, but hear of it
        import warnings

        warnings.warn(f"mlimage: {name} is not seeded: {type(error).__name__}: {error}", stacklevel=2)


def _strict() -> bool:
    return os.environ.get(PROFILE) == "strict"


def _random(module: Any, seed: int) -> dict[str, Any]:
    if "random" not in _applied:
        # `random` takes a seed by chance in each child that is forked; its own hook runs before this one.
        os.register_at_fork(before=_count_fork, after_in_child=lambda: module.seed(_child_seed()))
    module.seed(seed)
    return {"seed": seed}


def _count_fork() -> None:
    global _forks  # noqa: PLW0603 - of the process, as what it counts
    _forks += 1


def _child_seed() -> int:
    """Another one for each child, and the same in each run of a program that forks in one order."""
    return int(os.environ[SEED]) + _forks


def _numpy(module: Any, seed: int) -> dict[str, Any]:
    module.seed(seed % _LEGACY)
    return {"seed": seed % _LEGACY}


def _torch(module: Any, seed: int) -> dict[str, Any]:
    module.manual_seed(seed)
    said: dict[str, Any] = {"seed": seed}
    module.backends.cudnn.benchmark = False
    said["cudnn.benchmark"] = False
    if os.environ.get("NVIDIA_TF32_OVERRIDE") == "0":
        # The two ways of saying it do not go together in one process (pytorch#161022).
        if hasattr(module.backends, "fp32_precision"):
            module.backends.fp32_precision = "ieee"
        else:
            module.backends.cuda.matmul.allow_tf32 = False
            module.backends.cudnn.allow_tf32 = False
        said["tf32"] = False
    if _strict():
        module.use_deterministic_algorithms(True)
        # Else `torch.empty` is 53 times slower, with no other numbers (measured).
        module.utils.deterministic.fill_uninitialized_memory = False
        module.backends.cudnn.deterministic = True
        module.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
        said["deterministic"] = True
    return said


def _tensorflow(module: Any, seed: int) -> dict[str, Any]:
    module.random.set_seed(seed % _LEGACY)
    said: dict[str, Any] = {"seed": seed % _LEGACY}
    if os.environ.get("NVIDIA_TF32_OVERRIDE") == "0":
        module.config.experimental.enable_tensor_float_32_execution(False)
        said["tf32"] = False
    if _strict():
        module.config.experimental.enable_op_determinism()
        threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
        module.config.threading.set_intra_op_parallelism_threads(threads)
        module.config.threading.set_inter_op_parallelism_threads(threads)
        said["deterministic"] = True
    return said


def _jax(module: Any, seed: int) -> dict[str, Any]:
    """JAX has no seed of its own: programs make keys, of `MLIMAGE_SEED`."""
    said: dict[str, Any] = {"seed": seed}
    if os.environ.get("NVIDIA_TF32_OVERRIDE") == "0":
        module.config.update("jax_default_matmul_precision", "highest")
        said["matmul_precision"] = "highest"
    return said


_ACTIONS: dict[str, Callable[[Any, int], dict[str, Any]]] = {
    "random": _random,
    "numpy.random": _numpy,
    "torch": _torch,
    "tensorflow": _tensorflow,
    "jax": _jax,
}
