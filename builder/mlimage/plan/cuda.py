"""What a lock says about CUDA for its image: versions, and what the driver of the machine must be. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlimage.errors import BuildError
from mlimage.lock.cuda import major_of, plain, rules, signs_of, unfit
from mlimage.lock.model import LockedPackage


@dataclass(frozen=True, slots=True, kw_only=True)
class CudaFacts:
    """The CUDA of an image.

    Attributes:
        version: `13.0`, or `13` where nothing in the lock is more exact.
        cudnn: version of cuDNN; None where it is not locked.
        nccl: version of NCCL; None where it is not locked.
        driver: the oldest driver that runs it; None where that is not known.
    """

    version: str
    cudnn: str | None
    nccl: str | None
    driver: str | None

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels of the image that say it."""
        labels = {"cuda": self.version, "cudnn": self.cudnn, "nccl": self.nccl, "min-driver": self.driver}
        return {f"dev.mlimage.{name}": value for name, value in labels.items() if value}

    @property
    def env(self) -> Mapping[str, str]:
        """What NVIDIA's container runtime reads: it starts no container on a driver that is too old.

        The first minor version is asked for, since a driver for it runs the later ones.

        There is no `LD_LIBRARY_PATH`: the frameworks find the libraries of `nvidia-*` wheels on their own,
        and one that is set would win over the RUNPATH of all others. Read from the wheels:

        - torch 2.13.0: RPATH `$ORIGIN/../../nvidia/cudnn/lib` and its like, up to `nvidia/cu13/lib`; where
          that fails, its `_preload_cuda_deps` looks through `sys.path`.
        - tensorflow 2.20.0: RUNPATH `$ORIGIN/../nvidia/cublas/lib` and its like, in the library that opens
          them; it has an NCCL of its own inside.
        - jax-cuda13-plugin 0.12.0.1, jax-cuda12-plugin 0.10.2: RPATH `$ORIGIN/../nvidia/cu13/lib`, or
          `nvidia/cublas/lib` and its like; before, `_load_nvidia_libraries` of jax_plugins opens all by path.
        - nvidia-cudnn-cu12 9.28.0.42: RUNPATH `$ORIGIN/../../cublas/lib:$ORIGIN/../../cuda_nvrtc/lib`.
        """
        return {
            "NVIDIA_VISIBLE_DEVICES": "all",
            "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
            "NVIDIA_REQUIRE_CUDA": f"cuda>={major_of(self.version)}.0",
        }


def cuda_facts(packages: Sequence[LockedPackage]) -> CudaFacts | None:
    """The CUDA of these packages, which `check_accelerator` passed; None where none of them is for CUDA."""
    signs = signs_of(packages)
    if not signs:
        return None
    by_name = {plain(package.name): package for package in packages}
    exact = [signs[by_name[name].name] for name in rules()["toolkit"] if name in by_name]
    version = exact[0] if exact else max(signs.values(), key=len)
    return CudaFacts(
        version=version,
        cudnn=_version(by_name.get(rules()["cudnn"])),
        nccl=_version(by_name.get(rules()["nccl"])),
        driver=rules()["drivers"].get(major_of(version)),
    )


def check_accelerator(accelerator: str, packages: Sequence[LockedPackage], *, variant: str) -> None:
    """Refuse what no image can have, before anything of it is fetched.

    Raises:
        BuildError: the variant is for the CPU and has packages of CUDA, or it has them of two CUDAs.
    """
    found = unfit(packages, accelerator=accelerator, variant=variant)
    if found is not None:
        raise BuildError(found.message, hint=found.hint)


def _version(package: LockedPackage | None) -> str | None:
    return str(package.version) if package else None
