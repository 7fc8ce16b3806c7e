"""The checks. Pure: what the machine is, and what the image needs, come in as values."""

import math
from collections.abc import Iterator
from typing import Final

from mlimage.daemon.facts import emulation
from mlimage.daemon.gpus import TOOLKIT
from mlimage.host.doctor.model import Check, Engine, Gpu, Machine, Needs, Verdict

_GB: Final = 1_000_000_000
_ROOM: Final = 5 * _GB
"""Bytes that a build of a framework with CUDA takes, about."""
_SHM: Final = 1 << 30
"""Docker's own 64 MiB end a torch `DataLoader` with workers in a bus error."""
_FILES: Final = 4096
_LOCKED: Final = 64 << 20
_PINNED: Final = {"amd64": frozenset({"avx2", "fma"}), "arm64": frozenset({"asimd"})}
"""What the code paths of `strict` use; without it they end in an illegal instruction."""
_SHARED_MODES: Final = frozenset({"Default", "[N/A]"})


def check_all(machine: Machine, needs: Needs | None) -> tuple[Check, ...]:
    """Everything that can be said, in the order in which a run would meet it."""
    return (
        _engine(machine),
        _sandbox(machine),
        _platform(machine, needs),
        *_instructions(machine, needs),
        _processors(machine),
        _memory(machine, needs),
        *_shared_memory(machine),
        *_limits(machine),
        _disk(machine, needs),
        *_gpus(machine, needs),
        _environment(machine),
    )


def _engine(machine: Machine) -> Check:
    def said(verdict: Verdict, evidence: str, fix: str = "") -> Check:
        return Check(name="engine", title="container engine", verdict=verdict, evidence=evidence, fix=fix)

    engine = machine.engine
    if engine is None:
        why, fix = machine.no_engine
        if machine.no_sandbox is None:
            return said("pass", f"{why}; the sandbox does without")
        return said("fail", why, fix)
    seen = (
        f"{engine.facts.title} at {engine.facts.address}, storage {engine.storage}, cgroups of version "
        f"{engine.cgroup}"
    )
    if engine.facts.limits:
        return said("pass", seen)
    return said(
        "warn",
        f"{seen}; it cannot limit memory or processors",
        "start Linux with cgroups of version 2 (systemd.unified_cgroup_hierarchy=1)",
    )


def _sandbox(machine: Machine) -> Check:
    def said(verdict: Verdict, evidence: str, fix: str = "") -> Check:
        return Check(name="sandbox", title="sandbox", verdict=verdict, evidence=evidence, fix=fix)

    if machine.no_sandbox is None:
        return said("pass", "namespaces can be made")
    if machine.engine:
        return said("pass", f"{machine.no_sandbox}; the container engine runs images")
    return said(
        "fail",
        machine.no_sandbox,
        "let users make namespaces (sysctl user.max_user_namespaces, and on Ubuntu "
        "kernel.apparmor_restrict_unprivileged_userns), or start Docker",
    )


def _platform(machine: Machine, needs: Needs | None) -> Check:
    def said(verdict: Verdict, evidence: str, fix: str = "") -> Check:
        return Check(name="platform", title="platform", verdict=verdict, evidence=evidence, fix=fix)

    there = machine.engine.facts.platform if machine.engine else machine.platform
    if there is None:
        return said(
            "fail",
            f"{machine.kernel}, for which there are no images",
            "they are for linux/amd64, linux/arm64",
        )
    if needs is None or needs.platform == there:
        return said("pass", f"{there}, {machine.kernel}")
    slow = emulation(machine.engine.facts, needs.platform) if machine.engine else None
    return said(
        "fail",
        slow or f"the image is for {needs.platform}, this machine is {there}; under emulation numbers differ",
        f"build it for {there} (`platforms:` in the spec), or run it on a machine of {needs.platform}",
    )


def _instructions(machine: Machine, needs: Needs | None) -> Iterator[Check]:
    if machine.platform is None or not machine.flags:
        return  # the kernel does not say
    wanted = _PINNED[machine.platform.architecture]
    missing = sorted(wanted - machine.flags)
    evidence = f"{machine.processor}, " + (
        f"without {' and '.join(missing)}" if missing else f"with {' and '.join(sorted(wanted))}"
    )
    verdict: Verdict = "pass" if not missing else "fail" if needs and needs.strict else "warn"
    yield Check(
        name="isa",
        title="instructions",
        verdict=verdict,
        evidence=evidence,
        fix="images of the profile `strict` need a processor that has them, those of `fast` do not"
        if missing
        else "",
    )


def _processors(machine: Machine) -> Check:
    def said(verdict: Verdict, evidence: str, fix: str = "") -> Check:
        return Check(name="cpus", title="processors", verdict=verdict, evidence=evidence, fix=fix)

    if machine.quota is None or machine.quota >= machine.processors:
        return said("pass", f"{machine.processors}, without a quota")
    return said(
        "warn",
        f"{machine.processors}, of which the control group allows {machine.quota:g}; only images see that "
        "by themselves",
        f"set OMP_NUM_THREADS={max(1, math.ceil(machine.quota))} for others; a set of processors "
        "(`--cpuset-cpus`) stalls less than a quota",
    )


def _memory(machine: Machine, needs: Needs | None) -> Check:
    evidence = f"{machine.memory / _GB:.1f} GB"
    if needs is None or machine.memory >= needs.unpacked:
        return Check(name="memory", title="memory", verdict="pass", evidence=evidence)
    return Check(
        name="memory",
        title="memory",
        verdict="warn",
        evidence=f"{evidence}, and the image has {needs.unpacked / _GB:.1f} GB of files",
        fix="a larger machine, or a higher limit of the control group",
    )


def _shared_memory(machine: Machine) -> Iterator[Check]:
    if machine.shm is None:
        return
    enough = machine.shm >= _SHM
    yield Check(
        name="shm",
        title="shared memory",
        verdict="pass" if enough else "warn",
        evidence=f"{machine.shm >> 20} MiB in /dev/shm",
        fix=""
        if enough
        else "`mlimage run` gives 1 GiB; with `docker run` say `--shm-size=1g`, or workers of a data loader "
        "end in a bus error",
    )


def _limits(machine: Machine) -> Iterator[Check]:
    if "nofile" in machine.limits:
        files = machine.limits["nofile"]
        enough = files is None or files >= _FILES
        yield Check(
            name="nofile",
            title="open files",
            verdict="pass" if enough else "warn",
            evidence="no limit" if files is None else f"at most {files}",
            fix="" if enough else f"`ulimit -n {_FILES}`, or `docker run --ulimit nofile={_FILES}`",
        )
    locked = machine.limits.get("memlock")
    if machine.driver and locked is not None and locked < _LOCKED:
        yield Check(
            name="memlock",
            title="locked memory",
            verdict="warn",
            evidence=f"at most {locked} bytes",
            fix="`docker run --ulimit memlock=-1 --ulimit stack=67108864`, for transfers between GPUs",
        )


def _disk(machine: Machine, needs: Needs | None) -> Check:
    wanted = _ROOM if needs is None else 0 if needs.here else needs.unpacked
    evidence = f"{machine.free / _GB:.1f} GB where the cache is"
    what = "the image" if needs else "a build with CUDA"
    if machine.free >= wanted:
        return Check(name="disk", title="free disk", verdict="pass", evidence=evidence)
    return Check(
        name="disk",
        title="free disk",
        verdict="fail" if needs else "warn",
        evidence=f"{evidence}, and {what} takes {wanted / _GB:.1f} GB",
        fix="`mlimage cache prune`, or let MLIMAGE_CACHE name a folder on another disk",
    )


def _gpus(machine: Machine, needs: Needs | None) -> Iterator[Check]:
    required = needs is not None and needs.cuda is not None
    yield _driver(machine, needs)
    if machine.driver is None:
        return
    yield from (_gpu(number, gpu) for number, gpu in enumerate(machine.gpus))
    if not machine.gpus:
        yield Check(
            name="gpus",
            title="GPUs",
            verdict="fail" if required else "warn",
            evidence="the driver is here, and `nvidia-smi` tells of no GPU",
            fix="`nvidia-smi` says why; after an update of the driver, restart",
        )
    if machine.engine:
        yield _containers_with_gpus(machine, machine.engine, required=required)


def _driver(machine: Machine, needs: Needs | None) -> Check:
    def said(verdict: Verdict, evidence: str, fix: str = "") -> Check:
        return Check(name="driver", title="NVIDIA driver", verdict=verdict, evidence=evidence, fix=fix)

    floor = needs.driver if needs and needs.cuda else None
    if machine.driver is None:
        if needs is None or needs.cuda is None:
            return said("pass", "none, and none is needed" if needs else "none: variants for CUDA do not run")
        return said(
            "fail",
            f"none, and the image is for CUDA {needs.cuda}",
            f"install the driver{f', {floor} or newer' if floor else ''}, or take the variant for the CPU",
        )
    if floor is None or _version(machine.driver) >= _version(floor):
        return said("pass", machine.driver)
    return said(
        "fail",
        f"{machine.driver}, and the image needs {floor} or newer",
        "install a newer driver, or take the variant for the CPU",
    )


def _gpu(number: int, gpu: Gpu) -> Check:
    seen = f"{gpu.name}, compute capability {gpu.capability}, {gpu.memory / _GB:.0f} GB"
    if gpu.mig:
        odd, fix = "split into instances (MIG)", "compare numbers only with GPUs that are split alike"
    elif gpu.mode not in _SHARED_MODES:
        odd, fix = (
            f"compute mode {gpu.mode}",
            f"`nvidia-smi -i {number} -c DEFAULT` lets processes share it",
        )
    else:
        return Check(name=f"gpu{number}", title=f"GPU {number}", verdict="pass", evidence=seen)
    return Check(
        name=f"gpu{number}", title=f"GPU {number}", verdict="warn", evidence=f"{seen}, {odd}", fix=fix
    )


def _containers_with_gpus(machine: Machine, engine: Engine, *, required: bool) -> Check:
    ways = [f"CDI, {file}" for file in machine.device_files]
    ways += ["the runtime `nvidia`"] if "nvidia" in engine.facts.runtimes else []
    ways += ["NVIDIA's container toolkit"] if machine.toolkit and not ways else []
    if ways:
        return Check(name="toolkit", title="GPUs in containers", verdict="pass", evidence=" and ".join(ways))
    return Check(
        name="toolkit",
        title="GPUs in containers",
        verdict="fail" if required else "warn",
        evidence=f"{engine.facts.title} has no way to them",
        fix=TOOLKIT,
    )


def _environment(machine: Machine) -> Check:
    def said(verdict: Verdict, evidence: str, fix: str = "") -> Check:
        return Check(name="environment", title="environment", verdict=verdict, evidence=evidence, fix=fix)

    if not machine.variables:
        return said("pass", "nothing that changes numbers")
    names = sorted(machine.variables)
    return said(
        "warn",
        ", ".join(f"{name}={machine.variables[name]}" for name in names)
        + ": what runs in this shell computes otherwise than an image, which does not see it",
        f"`unset {' '.join(names)}`",
    )


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())
