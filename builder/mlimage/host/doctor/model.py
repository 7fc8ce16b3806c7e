"""What is known of a machine, and what was found wrong with it, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from mlimage.daemon.facts import Facts as EngineFacts
from mlimage.platforms import Platform

Verdict = Literal["pass", "warn", "fail"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: short, for machines: `shm`.
        title: for people: `shared memory`.
        verdict: `fail` where an image does not run, or computes wrongly.
        evidence: what was seen.
        fix: what helps; empty when nothing is wrong.
    """

    name: str
    title: str
    verdict: Verdict
    evidence: str
    fix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A container engine.

    Attributes:
        facts: what it is.
        storage: its storage driver.
        cgroup: version of its control groups.
    """

    facts: EngineFacts
    storage: str
    cgroup: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A GPU as `nvidia-smi` tells of it.

    Attributes:
        name: of the model.
        capability: its compute capability, `9.0`.
        memory: bytes.
        mig: whether it is split into instances.
        mode: its compute mode, `Default` for one that may be shared.
    """

    name: str
    capability: str
    memory: int
    mig: bool
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What this machine is.

    Attributes:
        platform: of the images that suit it; None where there are none.
        kernel: its name and release.
        engine: the container engine that answers; None where none does.
        no_engine: why none does, and what helps; both are empty where one does.
        no_sandbox: why there is no sandbox; None where there is.
        processor: name of the processor.
        flags: what the processor can do, in the kernel's words.
        processors: in the affinity mask.
        quota: processors that the control group allows; None for all.
        memory: bytes, at most what the control group allows.
        shm: bytes of `/dev/shm`; None where there is none.
        limits: soft limits by name, None for none: `nofile`, `memlock`, `stack`.
        free: bytes that are free where the cache is.
        driver: version of the NVIDIA driver; None where there is none.
        gpus: those that it drives.
        toolkit: whether NVIDIA's container toolkit is installed.
        device_files: descriptions of devices (CDI) for NVIDIA's GPUs.
        variables: of the environment, those that change numbers.
    """

    platform: Platform | None
    kernel: str
    engine: Engine | None
    no_engine: tuple[str, str]
    no_sandbox: str | None
    processor: str
    flags: frozenset[str]
    processors: int
    quota: float | None
    memory: int
    shm: int | None
    limits: Mapping[str, int | None]
    free: int
    driver: str | None = None
    gpus: tuple[Gpu, ...] = ()
    toolkit: bool = False
    device_files: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What an image needs of a machine.

    Attributes:
        name: of the image.
        platform: that it is for.
        strict: whether it pins what computes its numbers.
        cuda: its CUDA; None for an image that needs no GPU.
        driver: the oldest driver that runs it.
        unpacked: bytes of its files.
        here: whether these are on the disk already.
    """

    name: str
    platform: Platform
    strict: bool
    cuda: str | None
    driver: str | None
    unpacked: int
    here: bool
