"""What was decided, as values that every engine reads."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mlimage.digest import Digest
from mlimage.lock.model import AssembledBase, BaseLock, Deb, ImageLayer, LockedPackage
from mlimage.platforms import Platform


class Compression(StrEnum):
    """How layers are packed; the image id does not depend on it."""

    GZIP = "gzip"
    ZSTD = "zstd"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseLayer:
    """The assembled base in one layer."""

    name: str
    base: AssembledBase
    key: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class PulledLayer:
    """A layer of the image that is the base, with the bytes that its registry has."""

    name: str
    layer: ImageLayer
    key: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class AptLayer:
    """Debian packages on an image that is the base: its own dpkg installs them, in one step.

    Attributes:
        name: for people.
        packages: what the spec asks for, sorted.
        debs: exactly what is installed, in order of their names; empty where the image has it all.
        key: digest of these and of the layers below.
    """

    name: str
    packages: tuple[str, ...]
    debs: tuple[Deb, ...]
    key: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageLayer:
    """One large package, or a bin of small ones, in order of their names."""

    name: str
    packages: tuple[LockedPackage, ...]
    key: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeLayer:
    """mlimage's own runtime and the skeleton of the virtual environment."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AppLayer:
    """The application's files.

    Attributes:
        name: for people.
        source: folder of the files, relative to the image's folder in the project.
        ignore: patterns of what stays out, as in `.dockerignore`.
        roles: the file that tells the runtime what `train` and `serve` are, canonical JSON.
    """

    name: str
    source: str
    ignore: tuple[str, ...]
    roles: bytes


Layer = BaseLayer | PulledLayer | AptLayer | PackageLayer | RuntimeLayer | AppLayer


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """The run configuration, in the words of the OCI image specification."""

    env: tuple[tuple[str, str], ...]
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    user: str
    working_directory: str
    labels: tuple[tuple[str, str], ...]
    ports: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPlan:
    """Everything that an engine needs to know.

    Attributes:
        image: name of the image.
        variant: name of the variant.
        platform: of the image.
        python: its python, `X.Y`.
        base: what is below python.
        created: the image's creation date, which is the lock's.
        lock: digest of the lock.
        layers: bottom first.
        config: run configuration.
        compression: of the layers that are made here.
        bytecode: whether `.pyc` files are made.
    """

    image: str
    variant: str
    platform: Platform
    python: str
    base: BaseLock
    created: datetime
    lock: Digest
    layers: tuple[Layer, ...]
    config: ImageConfig
    compression: Compression
    bytecode: bool

    @property
    def needs_docker(self) -> str | None:
        """Why no engine but Docker can build it; None where each can."""
        if any(isinstance(layer, AptLayer) for layer in self.layers):
            return "the `packages` of a base that is an image are installed by that image's own dpkg"
        return None
