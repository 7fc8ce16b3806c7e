"""What is to be run and how, as values that every container runtime understands."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from mlimage.host.contract import Contract, User
from mlimage.oci.model import SealedImage

RuntimeName = Literal["auto", "docker", "sandbox"]

LOOPBACK: Final = "127.0.0.1"
DEFAULT_SHM: Final = 1 << 30
"""Bytes of `/dev/shm`: Docker's own 64 MiB end a torch `DataLoader` with workers in a bus error."""
MODELS: Final = "/models"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A folder of this machine and where it is in the container.

    Attributes:
        source: absolute, of a folder that exists.
        target: absolute path in the container.
        writable: whether the container may write there.
    """

    source: Path
    target: str
    writable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A TCP port of the container and where it is reached on this machine.

    Attributes:
        address: IP address of this machine that listens.
        number: port there.
        inside: port in the container.
    """

    address: str
    number: int
    inside: int

    @property
    def url(self) -> str:
        """Address for a browser on this machine."""
        host = LOOPBACK if self.address in {"0.0.0.0", "::"} else self.address  # noqa: S104 - compared, not bound
        return f"http://{f'[{host}]' if ':' in host else host}:{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How a server says that it is ready: status 200 at `path`, at the latest after `patience` seconds."""

    path: str
    patience: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the container may use at most.

    Attributes:
        memory: bytes, None for all there is.
        cpus: processors, None for all there are.
        shm: bytes of `/dev/shm`.
    """

    memory: int | None = None
    cpus: float | None = None
    shm: int = DEFAULT_SHM


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpus:
    """GPUs that the container gets.

    Attributes:
        ids: `all`, or numbers or UUIDs.
        required: whether it is an error where it cannot get them.
    """

    ids: tuple[str, ...]
    required: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """One run of one image.

    Attributes:
        image: what runs.
        contract: what the image says of itself.
        arguments: what its entry point gets: a role and arguments, or a command.
        env: variables that the user sets, over those of the image.
        mounts: folders of data and models.
        port: the published port, None for none.
        health: how to know that it serves; None for what is no server.
        limits: what it may use.
        gpus: what it computes on besides the CPU; None for nothing.
        user: who it runs as.
        as_person: `user` is the person who starts it, and not somebody whom they named.
        read_only: whether the image's files cannot be written (`/tmp`, `/dev/shm` and `/models` can).
        interactive: whether it gets mlimage's standard input.
        tty: whether it gets a terminal.
        network: whether it reaches others than itself; mlimage reaches its server all the same.
        seconds: after which it is ended, and has failed; None for no limit.
    """

    image: SealedImage
    contract: Contract
    arguments: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    mounts: tuple[Mount, ...] = ()
    port: Port | None = None
    health: Health | None = None
    limits: Limits = Limits()
    gpus: Gpus | None = None
    user: User
    as_person: bool = False
    read_only: bool = True
    interactive: bool = False
    tty: bool = False
    network: bool = True
    seconds: float | None = None

    @property
    def serves(self) -> bool:
        """Whether it is a server that is waited for."""
        return self.health is not None and self.port is not None
