"""What is set in each library: the seed, and what the determinism profile asks of it.

Workers of `multiprocessing` (and what is built on it: `concurrent.futures`, joblib, torch's `DataLoader`) get
seeds of their own, made of the state that they inherit and of their place among the workers, so that no two
draw the same numbers, and each draws the same every time.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from mlimage.runtime.pins import PROFILE, STRICT, THREADS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SEED = "MLIMAGE_SEED"
"""Variable of the seed, a whole number; without it nothing is set."""
TF32 = "MLIMAGE_TF32"
"""Variable that is `1` where GPUs may round the inputs of products to ten bits."""
_SEEDS = 2**32
"""numpy and tensorflow take seeds below it."""
_NUMPY_PATHS = {
    "x86_64": frozenset(
        (
            *("SSE", "SSE2", "SSE3", "SSSE3", "SSE41", "POPCNT", "SSE42", "X86_V2"),
            *("AVX", "XOP", "FMA4", "F16C", "FMA3", "AVX2", "X86_V3"),
        )
    ),
    "aarch64": frozenset(("NEON", "NEON_FP16", "NEON_VFPV4", "ASIMD")),
}
"""Code paths of numpy that `strict` may compute with."""


def apply(name: str, module: Any, environ: Mapping[str, str]) -> dict[str, Any]:
    """Set what is to be set in a module; gives what it was.

    Args:
        name: of the module.
        module: it, imported.
        environ: the environment of this process.
    """
    said: dict[str, Any] = {}
    if name in _SEEDERS:
        said["seed"] = worker_seed(int(environ[SEED]), _place())
        _SEEDERS[name](module, said["seed"])
    if name in _SWITCHES:
        said.update(_SWITCHES[name](module, environ))
    return said


def is_strict(environ: Mapping[str, str]) -> bool:
    """Whether the profile `strict` is in force."""
    return environ.get(PROFILE) == STRICT


def seed_imported(seed: int) -> dict[str, dict[str, Any]]:
    """Seed what is imported; gives the seed of each module."""
    found = {name: {"seed": worker_seed(seed, _place())} for name in _SEEDERS if name in sys.modules}
    for name, said in found.items():
        _SEEDERS[name](sys.modules[name], said["seed"])
    return found


def seed_worker(place: tuple[int, ...]) -> dict[str, dict[str, Any]]:
    """Seed what a worker has imported, from the state that it has of it; gives the seed of each module.

    The state and not the image's seed, for the program may have seeded its process before it had workers.
    """
    present = [name for name in _DRAWS if name in sys.modules]
    found = {name: {"seed": worker_seed(_DRAWS[name](sys.modules[name]), place)} for name in present}
    for name, said in found.items():
        _SEEDERS[name](sys.modules[name], said["seed"])
    return found


def worker_seed(seed: int, place: tuple[int, ...]) -> int:
    """The seed of a worker; of what is none, the seed itself.

    Args:
        seed: a whole number.
        place: what number of worker it is, of what number of worker, as `multiprocessing` counts them.
    """
    for number in place:
        # splitmix64, https://prng.di.unimi.it/splitmix64.c: what is near in `place` is far apart in the seed.
        mixed = (seed + number * 0x9E3779B97F4A7C15) % 2**64
        mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB % 2**64
        seed = (mixed ^ mixed >> 31) % _SEEDS
    return seed


def _place() -> tuple[int, ...]:
    process = sys.modules.get("multiprocessing.process")
    return tuple(process.current_process()._identity) if process else ()  # noqa: SLF001 - who else knows


def _random(module: Any, _: Mapping[str, str]) -> dict[str, Any]:
    _Forks(module)
    return {}


def _numpy(module: Any, environ: Mapping[str, str]) -> dict[str, Any]:
    """Nothing is set; `strict` makes sure of what its variable did, for numpy ignores unknown names."""
    if not is_strict(environ):
        return {}
    core: Any = getattr(module, "_core", None) or module.core  # before NumPy 2
    umath = core._multiarray_umath  # noqa: SLF001 - where `numpy.show_runtime` looks
    chosen = [name for name in umath.__cpu_dispatch__ if umath.__cpu_features__[name]]
    other = [name for name in chosen if name not in _NUMPY_PATHS.get(os.uname().machine, chosen)]
    if other:
        raise RuntimeError(f"numpy {module.__version__} computes with {' '.join(other)}")
    return {"dispatch": chosen}


def _torch(module: Any, environ: Mapping[str, str]) -> dict[str, Any]:
    said: dict[str, Any] = {"cudnn.benchmark": False, "tf32": environ.get(TF32) == "1"}
    backends = module.backends
    backends.cudnn.benchmark = False
    # By both its names, the older first: else to read the older one is an error (torch 2.13).
    backends.cuda.matmul.allow_tf32 = backends.cudnn.allow_tf32 = said["tf32"]
    if hasattr(backends, "fp32_precision") and not said["tf32"]:
        backends.fp32_precision = "ieee"
        backends.cudnn.conv.fp32_precision = backends.cudnn.rnn.fp32_precision = "ieee"
    if is_strict(environ):
        said.update(_strict_torch(module, environ))
    return said


def _strict_torch(module: Any, environ: Mapping[str, str]) -> dict[str, Any]:
    module.use_deterministic_algorithms(True)
    # Else `torch.empty` is 53 times slower, and no number another (measured). Older versions do not fill.
    deterministic = getattr(module.utils, "deterministic", None)
    if deterministic is not None:
        deterministic.fill_uninitialized_memory = False
    module.backends.cudnn.deterministic = True
    matmul = module.backends.cuda.matmul
    matmul.allow_fp16_reduced_precision_reduction = False
    matmul.allow_bf16_reduced_precision_reduction = False
    threads = int(environ[THREADS[0]])
    module.set_num_threads(threads)
    return {"deterministic": True, "reduced_precision_reduction": False, "threads": threads}


def _tensorflow(module: Any, environ: Mapping[str, str]) -> dict[str, Any]:
    said: dict[str, Any] = {"tf32": environ.get(TF32) == "1"}
    module.config.experimental.enable_tensor_float_32_execution(said["tf32"])
    if is_strict(environ):
        module.config.experimental.enable_op_determinism()
        threads = int(environ[THREADS[0]])
        module.config.threading.set_intra_op_parallelism_threads(threads)
        module.config.threading.set_inter_op_parallelism_threads(threads)
        said.update(deterministic=True, threads=threads)
    return said


def _jax(module: Any, environ: Mapping[str, str]) -> dict[str, Any]:
    """JAX has no state to seed: programs make keys, of what `mlimage_runtime.seed()` gives."""
    said: dict[str, Any] = {"tf32": environ.get(TF32) == "1"}
    if not said["tf32"]:
        module.config.update("jax_default_matmul_precision", "highest")
    if is_strict(environ):
        # Its default changed with 0.5; so random numbers do not depend on how arrays are spread.
        module.config.update("jax_threefry_partitionable", True)
        said["threefry_partitionable"] = True
    return said


class _Forks:
    """Gives `random` in forked processes a seed: python itself gives it one of the system's entropy."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._count = 0
        self._state = 0
        # Behind that of `random` itself, which was registered when it was imported.
        os.register_at_fork(before=self._before, after_in_child=self._in_child)

    def _before(self) -> None:
        self._count += 1
        _, numbers, _ = self._module.getstate()
        self._state = hash(numbers) % _SEEDS  # the hash of numbers is the same in every process

    def _in_child(self) -> None:
        self._module.seed(worker_seed(self._state, (self._count,)))


_SEEDERS: dict[str, Callable[[Any, int], object]] = {
    "random": lambda module, seed: module.seed(seed),
    "numpy.random": lambda module, seed: module.seed(seed % _SEEDS),
    "torch": lambda module, seed: module.manual_seed(seed % 2**64),
    "tensorflow": lambda module, seed: module.random.set_seed(seed % _SEEDS),
}
_DRAWS: dict[str, Callable[[Any], int]] = {
    "random": lambda module: int(module.getrandbits(32)),
    "numpy.random": lambda module: int(module.randint(0, _SEEDS, dtype="uint32")),
    "torch": lambda module: int(module.randint(_SEEDS // 2, (1,)).item()),
    "tensorflow": lambda _: int(os.environ[SEED]),  # it does not tell its seed
}
_SWITCHES: dict[str, Callable[[Any, Mapping[str, str]], dict[str, Any]]] = {
    "random": _random,
    "numpy": _numpy,
    "torch": _torch,
    "tensorflow": _tensorflow,
    "jax": _jax,
}
