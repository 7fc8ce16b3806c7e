"""The variables of a determinism profile, and what keeps a machine from holding it. Pure.

Libraries choose their code by the processor that they meet, so equal images give unequal numbers. Each choice
has a switch, and each switch covers operations that no other does. They count only when they are set before
the process starts, and some end in an illegal instruction on a processor without what they pin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mlimage.runtime.failure import CONFIG, StartError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlimage.runtime.cpu import Cpu
    from mlimage.runtime.roles import Determinism

PROFILE = "MLIMAGE_PROFILE"
"""The variable that tells which profile is in force, and by which the caller may choose another."""
FAST = "fast"
STRICT = "strict"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
"""The first one also speaks for the others when only it is set, as OpenMP users expect."""
_PATHS = {
    # OpenBLAS: https://github.com/OpenMathLib/OpenBLAS/blob/develop/USAGE.md
    # MKL: on processors of other vendors any other value than COMPATIBLE falls back to AUTO.
    # oneDNN: https://uxlfoundation.github.io/oneDNN/dev_guide_cpu_dispatcher_control.html; DNNL is its old
    # name.
    "x86_64": {
        "OPENBLAS_CORETYPE": "Haswell",
        "MKL_CBWR": "COMPATIBLE",
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "DNNL_MAX_CPU_ISA": "AVX2",
    },
    "aarch64": {"OPENBLAS_CORETYPE": "ARMV8"},
}
_NEEDED = {"x86_64": frozenset({"avx2", "fma"}), "aarch64": frozenset({"asimd"})}
_ALWAYS = {
    "MKL_DYNAMIC": "FALSE",  # else MKL takes fewer threads than it is told
    "OMP_DYNAMIC": "FALSE",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "TF_DETERMINISTIC_OPS": "1",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    "NVIDIA_TF32_OVERRIDE": "0",
    "NCCL_ALGO": "Ring",
    "NCCL_PROTO": "Simple",
}
ADDED_TO = "XLA_FLAGS"
"""The one variable that others may have words in, too: of two of a name, XLA takes the last."""
FORBIDDEN = (
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",  # turns TF32 on, whatever the program says
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_DEBUG_CPU_TYPE",
    "LD_PRELOAD",  # may bring another BLAS
    "GLIBC_TUNABLES",  # takes other instructions for libm
    "NPY_ENABLE_CPU_FEATURES",
    "ONEDNN_DEFAULT_FPMATH_MODE",  # lets oneDNN round to bfloat16
)
"""Variables that undo what is pinned."""


class Host(NamedTuple):
    """What of the machine decides whether a profile can be held.

    Attributes:
        cpu: its processor.
        processors: how many this container may run on; a quota, which only slows it, does not count.
        gpu: whether an NVIDIA GPU is in the container.
    """

    cpu: Cpu
    processors: int
    gpu: bool


def chosen_profile(said: Determinism, environ: Mapping[str, str]) -> Determinism:
    """What the image says, with the profile that the caller chose, if any.

    Raises:
        StartError: there is no such profile (78).
    """
    name = environ.get(PROFILE) or said.profile
    if name not in {FAST, STRICT}:
        raise StartError(f"{PROFILE}={name} is no profile; take `fast` or `strict`", status=CONFIG)
    return said._replace(profile=name)


def pins(said: Determinism, architecture: str) -> dict[str, str]:
    """The variables that the profile sets, and that nobody may set otherwise; none for `fast`.

    Args:
        said: what the image says.
        architecture: as `uname -m` has it.
    """
    if said.profile != STRICT:
        return {}
    found = {**_ALWAYS, **_PATHS.get(architecture, {}), **dict.fromkeys(THREADS, str(said.threads))}
    if not said.cross_vendor:
        found.pop("MKL_CBWR", None)
    if said.numpy:
        found["NPY_DISABLE_CPU_FEATURES"] = " ".join(said.numpy)
    if said.xla:
        found[ADDED_TO] = " ".join(said.xla)
    return found


def pinned(variables: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
    """The variables with those of `pins` in force; `undone` was asked before."""
    added = f"{variables.get(ADDED_TO, '')} {wanted.get(ADDED_TO, '')}".strip()
    return {**variables, **wanted, **({ADDED_TO: added} if added else {})}


def undone(variables: Mapping[str, str], wanted: Mapping[str, str]) -> str | None:
    """Why these variables cannot go with those of `pins`; None when they can. An empty one counts as none."""
    if not wanted:
        return None
    for name, value in wanted.items():
        if name != ADDED_TO and variables.get(name, value) not in {value, ""}:
            return f"{name}={variables[name]} undoes the profile `strict`, which has {value}; leave it out"
    for name in FORBIDDEN:
        if variables.get(name):
            return f"{name}={variables[name]} undoes the profile `strict`; leave it out"
    return None


def unfit(said: Determinism, host: Host) -> str | None:
    """Why this machine cannot hold the profile; None when it can.

    A library that is pinned to instructions which a processor lacks does not ask first: it dies of them.
    """
    if said.profile != STRICT:
        return None
    if host.cpu.emulated:
        return "the profile `strict` holds on no emulated CPU, whose numbers may be wrong"
    missing = sorted(_NEEDED.get(host.cpu.architecture, frozenset()) - host.cpu.flags)
    if missing:
        return f"the profile `strict` needs a CPU with {' and '.join(missing)}, and this one has not"
    if host.processors < said.threads:
        has = f"{host.processors} CPU" + ("" if host.processors == 1 else "s")
        return (
            f"the profile `strict` computes with {said.threads} threads (`determinism.threads`), and this "
            f"container has {has}; give it more, for others would give other numbers"
        )
    return None


def lacking(said: Determinism, host: Host) -> str | None:
    """What hardware the image requires and does not find; None when it has all."""
    if said.requires == "cuda" and not host.gpu:
        return (
            "the image requires a GPU (`require: cuda`), and no NVIDIA GPU is in this container; "
            "`docker run --gpus all` gives it those of the machine"
        )
    return None
