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

STRICT = "strict"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_PATHS = {
    # OpenBLAS: https://github.com/OpenMathLib/OpenBLAS/blob/develop/USAGE.md
    # MKL: on processors of other vendors any other value than COMPATIBLE falls back to AUTO.
    # oneDNN: https://uxlfoundation.github.io/oneDNN/dev_guide_cpu_dispatcher_control.html
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
    "NCCL_ALGO": "Ring",
    "NCCL_PROTO": "Simple",
}
FORBIDDEN = (
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",  # turns TF32 on, whatever the program says
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_DEBUG_CPU_TYPE",
    "LD_PRELOAD",  # may bring another BLAS
)
"""Variables that undo what is pinned."""


class Host(NamedTuple):
    """What of the machine decides whether a profile can be held.

    Attributes:
        cpu: its processor.
        processors: how many this container may use.
        gpu: whether an NVIDIA GPU is in the container.
    """

    cpu: Cpu
    processors: int
    gpu: bool


def pins(said: Determinism, architecture: str) -> dict[str, str]:
    """The variables of a profile on an architecture.

    Args:
        said: what the image says.
        architecture: as `uname -m` has it.
    """
    found = {} if said.tf32 else {"NVIDIA_TF32_OVERRIDE": "0"}
    if said.profile != STRICT:
        return found
    found.update(_ALWAYS)
    found.update(_PATHS.get(architecture, {}))
    found.update(dict.fromkeys(_THREADS, str(said.threads)))
    if not said.cross_vendor:
        found.pop("MKL_CBWR", None)
    if said.numpy:
        found["NPY_DISABLE_CPU_FEATURES"] = " ".join(said.numpy)
    if said.xla:
        found["XLA_FLAGS"] = " ".join(said.xla)
    return found


def check_host(said: Determinism, host: Host) -> None:
    """Refuse a machine that cannot hold the profile, before a pinned library dies of it.

    Raises:
        StartError: with status 78 (EX_CONFIG of sysexits.h), what is missing and what helps.
    """
    if said.requires == "cuda" and not host.gpu:
        raise StartError(
            "this image requires a GPU (`require: cuda`), and no NVIDIA GPU is in this container; start it "
            "with `--gpus all`, or take the variant for the CPU",
            status=CONFIG,
        )
    if said.profile != STRICT:
        return
    fast = "`determinism: {profile: fast}` runs here"
    missing = sorted(_NEEDED.get(host.cpu.architecture, frozenset()) - host.cpu.flags)
    if host.cpu.emulated:
        raise StartError(
            f"the profile `strict` holds on no emulated processor, whose numbers may be wrong; {fast}",
            status=CONFIG,
        )
    if missing:
        raise StartError(
            f"the profile `strict` needs {' and '.join(missing)}, which this processor does not have; {fast}",
            status=CONFIG,
        )
    if host.processors < said.threads:
        raise StartError(
            f"the profile `strict` computes with {said.threads} threads, and this container has "
            f"{host.processors} processor{'' if host.processors == 1 else 's'}; give it more, or lower "
            "`determinism.threads`, which gives other numbers",
            status=CONFIG,
        )


def check_environment(said: Determinism, given: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Refuse variables of the caller that undo `strict`; raises `StartError` with status 78.

    Args:
        said: what the image says.
        given: what the caller set.
        wanted: what `pins` gave.
    """
    if said.profile != STRICT:
        return
    other = [name for name in wanted if name in given and given[name] != wanted[name]]
    other += [name for name in FORBIDDEN if given.get(name)]
    if other:
        name = other[0]
        wish = f"{name}={wanted[name]}" if name in wanted else f"no {name}"
        raise StartError(
            f"{name}={given[name]} undoes the profile `strict`, which wants {wish}; leave it out, or build "
            "with `determinism: {profile: fast}`",
            status=CONFIG,
        )
