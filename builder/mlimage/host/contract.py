"""What an image says of itself: its configuration, and the roles that its runtime reads."""

import re
from dataclasses import dataclass

from mlimage.errors import BuildError, RunError, UsageError
from mlimage.oci.blobstream import open_layer
from mlimage.oci.configuration import Configuration
from mlimage.oci.model import SealedImage
from mlimage.oci.store import Store
from mlimage.oci.untar import MemberKind, TarError, TarReader
from mlimage.plan.golden import NAME as GOLDEN
from mlimage.runtime.failure import StartError
from mlimage.runtime.roles import FILE, Roles, parse_roles

_USER = re.compile(r"(\d{1,10})(?::(\d{1,10}))?\Z")
_LARGEST_ID = 2**32 - 2
_LARGEST_FILE = 1 << 20


@dataclass(frozen=True, slots=True)
class User:
    """Numbers of a user and a group."""

    uid: int
    gid: int

    def __str__(self) -> str:
        return f"{self.uid}:{self.gid}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What a container runtime and a person need to know of an image.

    Attributes:
        env: the environment that the image sets.
        entrypoint: program and first arguments.
        command: arguments when there are no others.
        user: who it runs as.
        working_directory: absolute path.
        stop_signal: name of the signal that ends it, for instance `SIGTERM`.
        roles: what its runtime can start.
    """

    env: tuple[tuple[str, str], ...]
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    user: User
    working_directory: str
    roles: Roles


def parse_user(text: str) -> User:
    """From `UID` or `UID:GID`; a missing group is the same number.

    Raises:
        UsageError: it is something else; names differ from image to image, so they are not taken.
    """
    match = _USER.match(text)
    uid = int(match[1]) if match else -1
    gid = int(match[2] or match[1]) if match else -1
    if not (0 <= uid <= _LARGEST_ID and 0 <= gid <= _LARGEST_ID):
        raise UsageError(f"`{text}` is no user", hint="write numbers: UID or UID:GID, for instance 1000:1000")
    return User(uid, gid)


def read_contract(image: SealedImage, store: Store) -> Contract:
    """Read what the image says of itself.

    Raises:
        BuildError: the image is damaged in the store.
        RunError: mlimage did not make the image, so nothing tells what it can do.
    """
    said = store.configuration(image)
    try:
        roles = parse_roles(_roles_file(image, store))
    except StartError as error:
        raise RunError(f"`{image.name}`: {error.message}") from error
    return contract_of(said, roles)


def contract_of(config: Configuration, roles: Roles) -> Contract:
    """The contract that an image's configuration and the roles make."""
    return Contract(
        env=config.variables,
        entrypoint=config.entrypoint,
        command=config.command,
        user=parse_user(config.user or "0:0"),
        working_directory=config.working_directory or "/",
        roles=roles,
    )


def _roles_file(image: SealedImage, store: Store) -> bytes:
    path = FILE.removeprefix("/")
    # The application's layer, which has the file, is the uppermost but for that of the model, which is large.
    for layer in reversed([each for each in image.layers if each.name != GOLDEN]):
        with open_layer(layer, store) as stream:
            reader = TarReader(stream)
            try:
                for member in reader:
                    if (
                        member.path == path
                        and member.kind is MemberKind.FILE
                        and member.size <= _LARGEST_FILE
                    ):
                        return b"".join(reader.content())
            except TarError as error:
                raise BuildError(f"layer `{layer.name}` of `{image.name}` cannot be read: {error}") from error
    raise RunError(f"`{image.name}` has no {FILE}", hint="mlimage runs images that it has built")
