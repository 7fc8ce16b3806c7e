"""What this machine and image are, numerically: all that decides which bits come out, and nothing private.

It tells no name of a host or a person, and no path. It imports the numeric libraries that are installed, for
only a loaded one knows which code path it took.
"""

# ruff: noqa: PTH123, PTH208 - as everywhere in the runtime, `pathlib` costs time
from __future__ import annotations

import hashlib
import os
import re
import resource
import sys
import sysconfig
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mlimage.runtime.cpu import Cpu, read_cpu
from mlimage.runtime.limits import affinity, cgroup_version, cpu_quota, memory_limit, thread_count
from mlimage.runtime.native import Library, libraries
from mlimage.runtime.variables import numeric_variables

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SCHEMA = "mlimage/fingerprint/1"
FRAMEWORKS = ("numpy", "scipy", "sklearn", "torch", "onnxruntime", "tensorflow", "jax")
"""Modules that are imported where they are installed."""
_NUMERIC = frozenset(
    (
        *("numpy", "scipy", "scikit-learn", "torch", "torchvision", "torchaudio", "onnxruntime"),
        *("tensorflow", "keras", "jax", "jaxlib", "ml-dtypes", "xgboost", "lightgbm", "catboost"),
        *("pandas", "pyarrow", "polars", "numba", "numexpr", "pillow"),
        *("opencv-python", "opencv-python-headless"),
    )
)
"""Packages whose versions are named; of all others only the digest tells."""
_FLAGS = (
    *("sse4_2", "avx", "avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512bw", "avx512vl", "avx512_vnni"),
    *("avx512_bf16", "avx512_fp16", "amx_tile", "amx_bf16"),
    *("asimd", "asimdhp", "asimddp", "asimdfhm", "bf16", "i8mm", "sve", "sve2", "sme"),
)
_ONEDNN = (
    ("AVX512_CORE_AMX", {"amx_tile", "amx_bf16", "avx512_fp16"}),
    ("AVX512_CORE_FP16", {"avx512_fp16"}),
    ("AVX512_CORE_BF16", {"avx512_bf16", "avx512vl"}),
    ("AVX512_CORE_VNNI", {"avx512_vnni", "avx512vl"}),
    ("AVX512_CORE", {"avx512f", "avx512bw", "avx512vl"}),
    ("AVX2_VNNI", {"avx_vnni", "avx2"}),
    ("AVX2", {"avx2"}),
    ("AVX", {"avx"}),
    ("SSE41", {"sse4_1"}),
)
"""oneDNN's levels, the best first, and what the CPU needs for each: "CPU dispatcher control" in its docs."""

_PRECISIONS = ("cuda.matmul", "cudnn.conv", "cudnn.rnn", "mkldnn.matmul", "mkldnn.conv", "mkldnn.rnn")


def installed(modules: Iterable[str] = FRAMEWORKS) -> dict[str, Any]:
    """The modules that are there, imported; one that is there and broken is not there."""
    found: dict[str, Any] = {}
    for name in modules:
        try:
            found[name] = import_module(name)
        except ImportError:
            continue
    return found


def fingerprint(
    environ: Mapping[str, str],
    *,
    profile: str | None = None,
    root: str = "",
    modules: Iterable[str] = FRAMEWORKS,
) -> dict[str, Any]:
    """The whole fingerprint, as a JSON value.

    Args:
        environ: the environment of this process.
        profile: the determinism profile of the image.
        root: where `proc` and `sys` lie, for tests.
        modules: what is imported and asked.
    """
    loaded = installed(modules)
    cpu = read_cpu(root)
    native = libraries(_read(f"{root}/proc/self/maps"))
    numpy = _numpy(loaded.get("numpy"))
    torch = _torch(loaded.get("torch"), environ, cpu) if "torch" in loaded else None
    threads = _threads(environ)
    return {
        "schema": SCHEMA,
        # What only the outside knows, `mlimage fingerprint` adds.
        "image": {"name": None, "digest": None, "id": None, "lock": None, "base": None, "variant": None},
        "profile": profile,
        "numeric_class": numeric_class(cpu, native, numpy, torch, threads),
        "python": {
            "version": ".".join(map(str, sys.version_info[:3])),
            "implementation": sys.implementation.name,
            "hash_seed": environ.get("PYTHONHASHSEED"),
            "utf8_mode": bool(sys.flags.utf8_mode),
        },
        "libc": _libc(cpu),
        "packages": packages(_site_packages()),
        "native": [library._asdict() for library in native],
        "numpy": numpy,
        "torch": torch,
        "cuda": _cuda(loaded.get("torch"), root),
        "cpu": {
            "architecture": cpu.architecture,
            "vendor": cpu.vendor,
            "family": cpu.family,
            "model": cpu.model,
            "flags": [flag for flag in _FLAGS if flag in cpu.flags],
            "emulated": cpu.emulated,
            **_denormals(),
        },
        "limits": {
            "cgroup": cgroup_version(root),
            "cpu_quota": cpu_quota(root),
            "affinity": affinity(),
            "threads": threads,
            "memory": memory_limit(root),
            "shm": _shm(),
            "nofile": _limit(resource.RLIMIT_NOFILE),
            "memlock": _limit(resource.RLIMIT_MEMLOCK),
            "stack": _limit(resource.RLIMIT_STACK),
        },
        "env": numeric_variables(environ),
    }


def numeric_class(
    cpu: Cpu, native: list[Library], numpy: dict[str, Any] | None, torch: dict[str, Any] | None, threads: int
) -> str:
    """One line of everything that picks a code path: equal software of one class gives equal bits.

    A path that the library picked by itself is named with what it picked by: `mkl=AUTO(AuthenticAMD:avx512)`.
    """
    parts = [cpu.architecture + (":emulated" if cpu.emulated else ""), f"libm={_libm(cpu)}"]
    cores = sorted({library.kernel or "?" for library in native if library.kind == "openblas"})
    if cores:
        parts.append(f"openblas={'+'.join(cores)}")
    for library in native:
        if library.kind == "mkl":
            branch = library.kernel or "?"
            parts.append(f"mkl={_own_choice(cpu) if branch in {'OFF', 'AUTO', '?'} else branch}")
    if torch:
        parts += [f"aten={torch['cpu_capability']}", f"onednn={torch['onednn']['max_isa']}"]
    if numpy:
        parts.append(f"npy={numpy['dispatch_on'][-1] if numpy['dispatch_on'] else 'baseline'}")
    return ";".join([*parts, f"t={threads}"])


def _own_choice(cpu: Cpu) -> str:
    level = next((flag for flag in ("avx512f", "avx2", "avx", "sve", "asimd") if flag in cpu.flags), "?")
    return f"AUTO({cpu.vendor or '?'}:{level})"


def _libm(cpu: Cpu) -> str:
    # glibc has several builds of exp, sin, pow … for x86: sysdeps/x86_64/fpu/multiarch/ifunc-avx-fma4.h
    if cpu.architecture != "x86_64":
        return "plain"
    return "fma" if {"fma", "avx2"} <= cpu.flags else "plain"


def _libc(cpu: Cpu) -> dict[str, Any]:
    name, version = "unknown", None
    if "CS_GNU_LIBC_VERSION" in os.confstr_names:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    return {"name": name, "version": version, "libm": _libm(cpu)}


def packages(folder: str) -> dict[str, Any]:
    """A digest over names and versions of the folder's packages, and the versions of the numeric ones."""
    found: list[tuple[str, str]] = []
    try:
        names = os.listdir(folder)
    except OSError:
        names = []
    for name in names:
        if name.endswith(".dist-info"):
            package, _, version = name[: -len(".dist-info")].partition("-")
            found.append((re.sub(r"[-_.]+", "-", package).lower(), version))
    found.sort()
    text = "".join(f"{package}=={version}\n" for package, version in found)
    return {
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "count": len(found),
        "numeric": {package: version for package, version in found if package in _NUMERIC},
    }


def _site_packages() -> str:
    return sysconfig.get_path("platlib")


def _numpy(np: Any) -> dict[str, Any] | None:
    if np is None:
        return None
    try:
        core = import_module("numpy._core._multiarray_umath")
    except ImportError:  # before NumPy 2
        core = import_module("numpy.core._multiarray_umath")
    features: dict[str, bool] = core.__cpu_features__
    dispatch: list[str] = list(core.__cpu_dispatch__)
    return {
        "version": np.__version__,
        "baseline": list(core.__cpu_baseline__),
        "dispatch_on": [name for name in dispatch if features.get(name)],
        "dispatch_off": [name for name in dispatch if not features.get(name)],
    }


def _torch(torch: Any, environ: Mapping[str, str], cpu: Cpu) -> dict[str, Any]:
    said = torch.__config__.show()
    onednn = re.search(r"MKL-DNN v(\S+)|oneDNN v(\S+)", said)
    capability = getattr(getattr(torch.backends, "cpu", None), "get_cpu_capability", None)
    deterministic = torch.are_deterministic_algorithms_enabled()
    fill = getattr(getattr(torch.utils, "deterministic", None), "fill_uninitialized_memory", None)
    return {
        "version": torch.__version__,
        "cpu_capability": capability() if capability else None,
        "onednn": {
            "version": (onednn[1] or onednn[2]) if onednn else None,
            "enabled": _flag(torch, "mkldnn", "enabled"),
            "max_isa": _onednn(environ, cpu),
        },
        "threads": torch.get_num_threads(),
        "interop_threads": torch.get_num_interop_threads(),
        "deterministic": deterministic,
        "fill_uninitialized": fill if deterministic else None,
        "default_dtype": str(torch.get_default_dtype()).rpartition(".")[2],
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "fp32_precision": {
            name: _flag(torch, *name.split("."), "fp32_precision")
            for name in (
                "cuda.matmul",
                "cudnn.conv",
                "cudnn.rnn",
                "mkldnn.matmul",
                "mkldnn.conv",
                "mkldnn.rnn",
            )
        },
        "cudnn": {
            "benchmark": _flag(torch, "cudnn", "benchmark"),
            "deterministic": _flag(torch, "cudnn", "deterministic"),
        },
        "reduced_precision_reduction": {
            name: _flag(torch, "cuda", "matmul", f"allow_{name}_reduced_precision_reduction")
            for name in ("fp16", "bf16")
        },
    }


def _flag(torch: Any, *path: str) -> Any:
    """A setting of `torch.backends`, None where this version has none of that name."""
    found = torch.backends
    for name in path:
        try:
            found = getattr(found, name)
        except (AttributeError, RuntimeError):  # RuntimeError: the older and the newer settings were mixed
            return None
    return found if isinstance(found, (bool, str, int)) else None


def _onednn(environ: Mapping[str, str], cpu: Cpu) -> str:
    """The instructions that oneDNN may use here: what was asked, or the most that this CPU has below it."""
    if cpu.architecture != "x86_64":
        return "native"
    limit = (environ.get("ONEDNN_MAX_CPU_ISA") or environ.get("DNNL_MAX_CPU_ISA") or "ALL").upper()
    names = [name for name, _ in _ONEDNN]
    allowed = _ONEDNN[names.index(limit) :] if limit in names else _ONEDNN
    return next((name for name, needs in allowed if needs <= cpu.flags), "SSE41")


def _cuda(torch: Any, root: str) -> dict[str, Any] | None:
    """The GPUs as PyTorch sees them; None where there is no driver and no PyTorch that sees one."""
    driver = re.search(
        r"Kernel Module\s+(?:for \S+\s+)?([\d.]+)", _read(f"{root}/proc/driver/nvidia/version")
    )
    usable = torch is not None and torch.cuda.is_available()
    if not driver and not usable:
        return None
    found: dict[str, Any] = {"driver": driver[1] if driver else None, "usable": usable, "devices": []}
    if not usable:
        return found
    found["runtime"] = torch.version.cuda
    found["cudnn"] = torch.backends.cudnn.version()
    found["nccl"] = (
        ".".join(map(str, torch.cuda.nccl.version())) if torch.distributed.is_available() else None
    )
    for number in range(torch.cuda.device_count()):
        device = torch.cuda.get_device_properties(number)
        identity = str(getattr(device, "uuid", ""))
        found["devices"].append(
            {
                "name": device.name,
                "sm": f"{device.major}.{device.minor}",
                "multiprocessors": device.multi_processor_count,
                "memory": device.total_memory,
                # Tells two GPUs apart without telling which one it is.
                "uuid_sha256": hashlib.sha256(identity.encode()).hexdigest()[:16] if identity else None,
                "mig": "MIG" in device.name,
            }
        )
    return found


def _denormals() -> dict[str, bool]:
    """Whether this thread flushes the smallest numbers to zero, which any library may have switched on."""
    tiny = float("2.2250738585072014e-308")
    return {"ftz": tiny * 0.5 == 0.0, "daz": float("5e-324") * 2.0**100 == 0.0}


def _threads(environ: Mapping[str, str]) -> int:
    said = environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(said) if said.isdecimal() and int(said) else thread_count()


def _shm() -> int | None:
    try:
        found = os.statvfs("/dev/shm")  # noqa: S108 - it is measured, not used
    except OSError:
        return None
    return found.f_blocks * found.f_frsize


def _limit(which: int) -> int | None:
    soft = resource.getrlimit(which)[0]
    return None if soft == resource.RLIM_INFINITY else soft


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""
