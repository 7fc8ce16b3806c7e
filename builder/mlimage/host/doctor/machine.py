"""Looks at this machine. Everything that cannot be seen is left out, and nothing is changed."""

import os
import platform
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from mlimage.daemon.connect import connect
from mlimage.daemon.gpus import CDI_FOLDERS, description_files
from mlimage.errors import RunError
from mlimage.host.choose import refusal_here
from mlimage.host.doctor.model import Engine, Gpu, Machine
from mlimage.host.driver import KERNEL, nvidia_driver
from mlimage.platforms import host_platform
from mlimage.process import Command, Runner
from mlimage.runtime.limits import cpu_quota, memory_limit

_LIMITS: Final = ("nofile", "memlock", "stack")
_NUMERIC: Final = frozenset(
    {
        "ATEN_CPU_CAPABILITY", "CUDA_VISIBLE_DEVICES", "DNNL_MAX_CPU_ISA", "LD_PRELOAD", "MKL_CBWR",
        "MKL_DEBUG_CPU_TYPE", "MKL_ENABLE_INSTRUCTIONS", "NPY_DISABLE_CPU_FEATURES", "NVIDIA_TF32_OVERRIDE",
        "ONEDNN_MAX_CPU_ISA", "OPENBLAS_CORETYPE", "TF_ENABLE_ONEDNN_OPTS",
        "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "XLA_FLAGS",
    }
)  # fmt: skip
"""Variables that change what is computed, or on what."""
_QUERY: Final = ("name", "compute_cap", "memory.total", "mig.mode.current", "compute_mode")
_NAME: Final = re.compile(r"^(?:model name|Model|CPU part)\s*:\s*(.+)$", re.MULTILINE)
_FLAGS: Final = re.compile(r"^(?:flags|Features)\s*:\s*(.+)$", re.MULTILINE)
_MIB: Final = 1 << 20


def this_machine(environ: Mapping[str, str], run: Runner, *, cache: Path, root: str = "") -> Machine:
    """What this machine is.

    Args:
        environ: says where a container engine is.
        run: starts `nvidia-smi`.
        cache: the folder of the cache, on whose disk images lie.
        root: in front of the paths of files of the kernel, for tests.
    """
    engine, no_engine = _engine(environ)
    cpuinfo = _read(f"{root}/proc/cpuinfo")
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    driver = nvidia_driver(run, kernel=Path(f"{root}{KERNEL}"))
    name, flags = _NAME.search(cpuinfo), _FLAGS.search(cpuinfo)
    return Machine(
        platform=host_platform(),
        kernel=f"{platform.system()} {platform.release()}",
        engine=engine,
        no_engine=no_engine,
        no_sandbox=refusal_here(),
        processor=name[1].strip() if name else platform.processor() or platform.machine(),
        flags=frozenset(flags[1].split()) if flags else frozenset(),
        processors=processors,
        quota=cpu_quota(root),
        memory=_memory(root),
        shm=_shm(root),
        limits=_soft_limits(),
        free=shutil.disk_usage(_nearest(cache)).free,
        driver=driver,
        gpus=_gpus(run) if driver else (),
        toolkit=shutil.which("nvidia-ctk") is not None or shutil.which("nvidia-container-cli") is not None,
        device_files=description_files((engine and engine.facts.devices) or CDI_FOLDERS, root),
        variables={each: environ[each] for each in _NUMERIC if environ.get(each)},
    )


def _engine(environ: Mapping[str, str]) -> tuple[Engine | None, tuple[str, str]]:
    try:
        daemon = connect(environ)
    except RunError as error:
        return None, (error.message, error.hint or "")
    info = daemon.client.info()
    engine = Engine(
        facts=daemon.facts,
        storage=str(info.get("Driver", "")),
        cgroup=str(info.get("CgroupVersion", "")),
    )
    return engine, ("", "")


def _memory(root: str) -> int:
    found = re.search(r"^MemTotal:\s*(\d+) kB", _read(f"{root}/proc/meminfo"), re.MULTILINE)
    total = int(found[1]) * 1024 if found else os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = memory_limit(root)
    return total if limit is None else min(total, limit)


def _shm(root: str) -> int | None:
    try:
        found = os.statvfs(f"{root}/dev/shm")  # noqa: S108 - looked at, not written
    except OSError:
        return None
    return found.f_blocks * found.f_frsize


def _soft_limits() -> dict[str, int | None]:
    if sys.platform == "win32":
        return {}
    import resource

    found = {name: resource.getrlimit(getattr(resource, f"RLIMIT_{name.upper()}"))[0] for name in _LIMITS}
    return {name: None if soft == resource.RLIM_INFINITY else soft for name, soft in found.items()}


def _nearest(folder: Path) -> Path:
    """The folder, or the one above it that is there."""
    return next(path for path in (folder, *folder.absolute().parents) if path.is_dir())


def _gpus(run: Runner) -> tuple[Gpu, ...]:
    try:
        done = run(
            Command(
                argv=("nvidia-smi", f"--query-gpu={','.join(_QUERY)}", "--format=csv,noheader,nounits"),
                inherit=True,
            )
        )
    except OSError:
        return ()
    if done.status != 0:
        return ()
    rows = [[cell.strip() for cell in line.split(",")] for line in done.text.splitlines() if line.strip()]
    return tuple(
        Gpu(
            name=name, capability=capability, memory=int(memory) * _MIB if memory.isdigit() else 0,
            mig=mig == "Enabled", mode=mode,
        )
        for name, capability, memory, mig, mode in (row for row in rows if len(row) == len(_QUERY))
    )  # fmt: skip


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
