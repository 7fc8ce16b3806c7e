"""Everything that the sandbox's first process is told, decided outside and sent as JSON."""

import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """A folder or file of the machine that is seen in the sandbox."""

    source: str
    target: str
    writable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One sandbox.

    Attributes:
        root: folder of the unpacked image.
        scratch: an empty folder for the writable layer over the image's files; None keeps them read-only.
        binds: what is seen of the machine.
        shm: bytes of `/dev/shm`.
        command: program and arguments; the first is a path in the image.
        env: its whole environment.
        directory: its working directory, a path in the image.
        uid: its user.
        gid: its group.
        mapped: whether a user namespace makes this process root, so that `uid` needs one more to be itself.
        cgroup: folder of the control group that it joins, None for none.
        data_limit: bytes of private memory of one process (`RLIMIT_DATA`), None for no limit.
        processors: how many of the processors it may use, None for all.
        foreground: whether it owns the terminal.
        network: whether it has that of the machine, or one of its own.
    """

    root: str
    scratch: str | None
    binds: tuple[Bind, ...]
    shm: int
    command: tuple[str, ...]
    env: dict[str, str]
    directory: str
    uid: int
    gid: int
    mapped: bool
    cgroup: str | None
    data_limit: int | None
    processors: int | None
    foreground: bool
    network: bool

    def as_dict(self) -> dict[str, Any]:
        """As a JSON value."""
        return asdict(self)

    def to_json(self) -> bytes:
        """As one line."""
        return json.dumps(self.as_dict(), sort_keys=True).encode() + b"\n"

    @classmethod
    def from_json(cls, text: bytes) -> "Settings":
        """What `to_json` wrote."""
        said: dict[str, Any] = json.loads(text)
        binds = tuple(Bind(**bind) for bind in said.pop("binds"))
        return cls(binds=binds, command=tuple(said.pop("command")), **said)
