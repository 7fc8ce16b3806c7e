"""The platform of an image, in the words of OCI, Debian and Python packaging."""

from dataclasses import dataclass
from typing import Final

_DEBIAN: Final = {"amd64": "amd64", "arm64": "arm64"}
_MACHINE: Final = {"amd64": "x86_64", "arm64": "aarch64"}
ARCHITECTURES: Final = tuple(_MACHINE)
"""OCI's names of the architectures that mlimage knows."""


@dataclass(frozen=True, slots=True, order=True)
class Platform:
    """`os/architecture` as OCI writes it, for instance `linux/amd64`."""

    os: str
    architecture: str

    def __str__(self) -> str:
        return f"{self.os}/{self.architecture}"

    @classmethod
    def parse(cls, text: str) -> "Platform":
        """From `os/architecture`; raises `ValueError` for a platform that mlimage does not know."""
        os, _, architecture = text.partition("/")
        if os != "linux" or architecture not in _MACHINE:
            known = ", ".join(f"`{each}`" for each in PLATFORMS)
            message = f"unknown platform `{text}`; known: {known}"
            raise ValueError(message)
        return cls(os, architecture)

    @property
    def debian(self) -> str:
        """Debian's name of the architecture."""
        return _DEBIAN[self.architecture]

    @property
    def machine(self) -> str:
        """What `uname -m` says there."""
        return _MACHINE[self.architecture]

    @property
    def multiarch(self) -> str:
        """Debian's multiarch tuple, the name of the library folders."""
        return f"{self.machine}-linux-gnu"


LINUX_AMD64: Final = Platform("linux", "amd64")
LINUX_ARM64: Final = Platform("linux", "arm64")
PLATFORMS: Final = (LINUX_AMD64, LINUX_ARM64)
"""All that images may be for."""


def native_platform() -> Platform | None:
    """The platform whose programs this machine runs as they are; None where that is none that images have."""
    import sys

    return host_platform() if sys.platform == "linux" else None


def host_platform() -> Platform | None:
    """The platform of images that suits this machine best; None where mlimage knows none.

    On a machine without Linux it is what the virtual machine of a container engine there runs.
    """
    import platform

    names = {machine: name for name, machine in _MACHINE.items()} | {"arm64": "arm64", "amd64": "amd64"}
    architecture = names.get(platform.machine().lower())
    return Platform("linux", architecture) if architecture else None
