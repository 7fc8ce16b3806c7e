"""What was decided, as values that every engine reads."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from mlimage.digest import Digest
from mlimage.lock.collisions import Allowed
from mlimage.lock.model import AssembledBase, BaseLock, Deb, ImageBase, ImageLayer, LockedPackage
from mlimage.platforms import LINUX_AMD64, Platform
from mlimage.spec.tags import ImageTag, RoleName

COMPILED: Final = (LINUX_AMD64,)
"""The platforms whose images have bytecode: those whose python runs on the machines that build."""


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
class LibraryLayer:
    """Bytecode of the standard library of a base that is an image and, as official ones, has none."""

    name: str
    base: ImageBase
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
class Yield:
    """A package loses the files that another one has, too.

    Attributes:
        package: name of the package.
        to: the one that keeps them.
        paths: patterns of those that it loses, as in a `.dockerignore`; all where there are none.
    """

    package: str
    to: LockedPackage
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageLayer:
    """One large package, or a bin of small ones, in order of their names."""

    name: str
    packages: tuple[LockedPackage, ...]
    key: Digest
    yields: tuple[Yield, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeLayer:
    """mlimage's own runtime and the skeleton of the virtual environment."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeLayer:
    """How the image was made.

    Attributes:
        name: for people.
        files: paths in the image, each with its content, sorted.
    """

    name: str
    files: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AppLayer:
    """The application's files.

    Attributes:
        name: for people.
        source: folder of the files, relative to the image's folder in the project.
        ignore: patterns of what stays out, as in `.dockerignore`.
        roles: the file that tells the runtime what `train` and `serve` are, canonical JSON.
        data: names of the data that a run may find mounted.
        links: places in the application where it looks for data and models, each with the path of the image
            that it leads to; what the folder has there stays out.
    """

    name: str
    source: str
    ignore: tuple[str, ...]
    roles: bytes
    data: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenLayer:
    """The trained model and its golden record.

    Attributes:
        name: for people.
        source: folder of the record, relative to the image's folder in the project.
        digest: of its manifest, which names all other files with theirs.
    """

    name: str
    source: str
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class StepsLayer:
    """What the steps of the build left: above all others, since a step may change what any brought."""

    name: str


Layer = (
    BaseLayer
    | PulledLayer
    | LibraryLayer
    | AptLayer
    | PackageLayer
    | RuntimeLayer
    | RecipeLayer
    | AppLayer
    | GoldenLayer
    | StepsLayer
)


class Moment(StrEnum):
    """When a step runs; also the names of the blocks that a template may extend, with `_` for `-`."""

    BEFORE_PACKAGES = "before-packages"
    AFTER_PACKAGES = "after-packages"
    BEFORE_APP = "before-app"
    AFTER_APP = "after-app"

    @property
    def block(self) -> str:
        """The block of the template."""
        return self.value.replace("-", "_")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStep:
    """A shell command of the build.

    Attributes:
        at: when it runs.
        command: what `/bin/sh` runs, one line or several.
        secrets: names of the secrets that it may read.
        cache: folders that stay from build to build.
        network: whether it may reach the network.
    """

    at: Moment
    command: str
    secrets: tuple[str, ...]
    cache: tuple[str, ...]
    network: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerfilePlan:
    """What the Dockerfile says that no layer does.

    Attributes:
        base: reference of the image that is the base, with the digest that is locked; None where it is
            assembled.
        python: the base's interpreter, as a shell calls it.
        debs: `NAME=VERSION` of the Debian packages that are installed on the base.
        steps: the spec's `run:`, in its order.
        template: path and text of the user's template.
        requirements: the lock as pip reads it, relative to the project.
        kept: `NAME==VERSION` of the packages whose files stay where others write them too, in the order in
            which they are installed once more.
        source: the application's folder, relative to the project.
        folder: the image's folder, relative to the project.
        ignore: patterns of what stays out of the application, the usual ones first.
        links: as the application's layer has them.
        indexes: addresses of the package indexes besides the default one.
        command: what the image runs where it is built without mlimage.
    """

    base: str | None = None
    python: str
    debs: tuple[str, ...] = ()
    steps: tuple[RunStep, ...]
    template: tuple[str, str] | None
    requirements: str
    kept: tuple[str, ...] = ()
    source: str
    folder: str
    ignore: tuple[str, ...]
    links: tuple[tuple[str, str], ...] = ()
    indexes: tuple[str, ...]
    command: tuple[str, ...]


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
        role: what the image is for, where each role has an image of its own; None where it is for all.
        accelerator: the hardware that it is for: `cpu`, `cuda`.
        platform: of the image.
        python: its python, `X.Y`.
        base: what is below python.
        created: the image's creation date, which is the lock's.
        lock: digest of the lock.
        layers: bottom first.
        config: run configuration.
        compression: of the layers that are made here.
        bytecode: whether `.pyc` files are made: the platform decides, never the machine that builds.
        allowed: conflicts of packages that the spec settles.
        dockerfile: what is needed to render its Dockerfile.
    """

    image: str
    variant: str
    role: RoleName | None = None
    accelerator: str
    platform: Platform
    python: str
    base: BaseLock
    created: datetime
    lock: Digest
    layers: tuple[Layer, ...]
    config: ImageConfig
    compression: Compression
    bytecode: bool
    allowed: tuple[Allowed, ...] = ()
    dockerfile: DockerfilePlan

    @property
    def tag(self) -> ImageTag:
        """Which of the spec's images it is."""
        return ImageTag(variant=self.variant, role=self.role, platform=self.platform)

    @property
    def name(self) -> str:
        """What the store and messages call it: `IMAGE:TAG`."""
        return f"{self.image}:{self.tag}"
