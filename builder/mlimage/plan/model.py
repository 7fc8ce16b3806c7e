"""What was decided, as values that every engine reads."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mlimage.digest import Digest
from mlimage.lock.model import BaseLock, LockedPackage
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
    base: BaseLock
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


Layer = BaseLayer | PackageLayer | RuntimeLayer | AppLayer


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
    created: datetime
    lock: Digest
    layers: tuple[Layer, ...]
    config: ImageConfig
    compression: Compression
    bytecode: bool
