"""Requests, fakes and a small root file system for tests that run images."""

import http.client
import json
import re
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from mlimage.content.entry import Entry, arrange, directory, file_of_bytes, file_of_path, symlink
from mlimage.daemon.facts import Facts
from mlimage.digest import Digest, canonical_json
from mlimage.host.contract import Contract, User
from mlimage.host.reach import Server, dial
from mlimage.host.request import Limits, Port, RunRequest
from mlimage.oci.layer import pack
from mlimage.oci.model import Descriptor, SealedImage
from mlimage.oci.seal import seal
from mlimage.oci.store import Store
from mlimage.plan.model import Compression
from mlimage.platforms import LINUX_AMD64
from mlimage.runtime.roles import Determinism, Role, Roles
from support.sealing import plan_of

Event = dict[str, Any]

PROGRAMS = (
    "cat",
    "env",
    "id",
    "kill",
    "ls",
    "sh",
    "sleep",
    "stat",
    "touch",
    "head",
    "nproc",
    "ln",
    "mkfifo",
    "truncate",
)

ROLES = Roles(
    roles={
        "train": Role(command=("train",), env={}, port=None, health=None),
        "serve": Role(command=("serve",), env={}, port=8080, health="/ping"),
    },
    data=("events",),
    determinism=Determinism(profile="fast", seed=0),
    env={},
)

CONTRACT = Contract(
    env=(("PATH", "/usr/bin:/bin"),),
    entrypoint=(),
    command=(),
    user=User(65532, 65532),
    working_directory="/",
    roles=ROLES,
)


def image(name: str = "demo:cpu") -> SealedImage:
    """An image that is in no store."""
    blob = Descriptor(media_type="x", digest=Digest.of(name.encode()), size=1)
    return SealedImage(name=name, platform=LINUX_AMD64, manifest=blob, config=blob, layers=())


def request(*arguments: str, **changes: Any) -> RunRequest:
    """A run of that image with these arguments."""
    plain = RunRequest(
        image=image(), contract=CONTRACT, arguments=arguments, user=User(65532, 65532), limits=Limits()
    )
    return replace(plain, **changes)


def free_port() -> Port:
    """A port of this machine that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return Port(address="127.0.0.1", number=server.getsockname()[1], inside=8080)


def server_at(port: int) -> Server:
    """The server there, under an address that is always the same."""
    return Server(url="http://127.0.0.1:8080", connect=lambda seconds: dial("127.0.0.1", port, seconds))


def small_root() -> tuple[Entry, ...]:
    """A few of this machine's programs with the libraries that they need."""
    entries = [directory(path, origin="test") for path in ("app", "data", "etc", "usr/bin")]
    entries += [directory(path, origin="test", mode=0o1777) for path in ("models", "tmp")]
    entries.append(symlink("bin", "usr/bin", origin="test"))
    entries.append(
        file_of_bytes(
            "etc/passwd", b"root:x:0:0::/:/bin/sh\nnonroot:x:65532:65532::/:/bin/sh\n", origin="test"
        )
    )
    libraries: dict[str, Path] = {}
    for program in PROGRAMS:
        found = shutil.which(program, path="/usr/bin:/bin")
        assert found, f"this machine has no {program}"
        entries.append(file_of_path(f"usr/bin/{program}", Path(found).resolve(), origin="test", mode=0o755))
        listed = subprocess.run(["ldd", found], capture_output=True, text=True, check=True).stdout
        for library in re.findall(r"(/\S+) \(0x", listed):
            libraries[library.lstrip("/")] = Path(library).resolve()
    entries += [file_of_path(path, source, origin="test", mode=0o755) for path, source in libraries.items()]
    return arrange(entries)


def small_image(
    store: Store,
    name: str = "demo",
    *,
    labels: Mapping[str, str] | None = None,
    programs: Mapping[str, str] | None = None,
) -> SealedImage:
    """A sealed image of that root, tagged; its entry point runs its arguments, `train` being a role.

    `labels` stand in place of its own, and `programs` are shell scripts that it has besides.
    """
    script = b'#!/bin/sh\n[ "$1" = train ] && { echo trained > /models/model; exit; }\nexec "$@"\n'
    roles = {
        "train": {"command": ["train"], "env": {}},
        "serve": {"command": ["serve"], "env": {}, "port": 8080, "health": "/ping"},
        "data": [],
        "determinism": {"profile": "fast", "seed": 0},
    }
    app = arrange(
        [
            file_of_bytes("usr/bin/entry", script, origin="test", mode=0o755),
            file_of_bytes("opt/mlimage/roles.json", canonical_json(roles), origin="test"),
            *(
                file_of_bytes(f"usr/bin/{word}", f"#!/bin/sh\n{text}\n".encode(), origin="test", mode=0o755)
                for word, text in (programs or {}).items()
            ),
        ]
    )
    plan = plan_of(["base", "app"], image=name)
    if labels is not None:
        plan = replace(plan, config=replace(plan.config, labels=tuple(labels.items())))
    layers = [
        pack(entries, name=layer, compression=Compression.GZIP, store=store, advance=lambda _: None)
        for layer, entries in (("base", small_root()), ("app", app))
    ]
    sealed = seal(plan, layers, store)
    store.tag(sealed)
    return sealed


@dataclass
class FakeContainer:
    """A container of `FakeClient`: says what it is told to, and ends with a status."""

    says: tuple[tuple[int, bytes], ...] = ()
    status: int = 0
    oom: bool = False
    start_error: Exception | None = None
    runs: Callable[[list[str]], tuple[int, bytes]] = lambda _: (127, b"")
    done: list[str] = field(default_factory=list)

    def attach_socket(self, params: Mapping[str, int]) -> socket.socket:
        """The multiplexed stream of https://docs.docker.com/reference/api/engine/, attach."""
        self.done.append(f"attach stdin={params['stdin']}")
        ours, theirs = socket.socketpair()

        def speak() -> None:
            for stream, text in self.says:
                ours.sendall(struct.pack(">BxxxL", stream, len(text)) + text)
            ours.close()

        threading.Thread(target=speak).start()
        return theirs

    def start(self) -> None:
        self.done.append("start")
        if self.start_error:
            raise self.start_error

    def wait(self) -> dict[str, int]:
        return {"StatusCode": self.status}

    def reload(self) -> None:
        self.done.append("reload")

    @property
    def attrs(self) -> dict[str, Any]:
        return {"State": {"OOMKilled": self.oom}}

    def exec_run(self, argv: list[str], *, stderr: bool) -> SimpleNamespace:
        assert not stderr
        self.done.append(f"exec {argv[0]}")
        status, output = self.runs(argv)
        return SimpleNamespace(exit_code=status, output=output)

    def kill(self, signal: int) -> None:
        self.done.append(f"kill {signal}")

    def remove(self, *, force: bool, v: bool) -> None:
        self.done.append(f"remove force={force} v={v}")


def facts(**changes: Any) -> Facts:
    """Docker on this machine, with containerd's image store."""
    plain = Facts(
        version="28.5.2",
        api=(1, 51),
        platform=LINUX_AMD64,
        address="unix:///run/docker.sock",
        containerd_store=True,
    )
    return replace(plain, **changes)


@dataclass
class FakeImage:
    """An image that the daemon has."""

    id: str
    layers: tuple[str, ...]

    @property
    def attrs(self) -> dict[str, Any]:
        return {"RootFS": {"Layers": list(self.layers)}}


@dataclass
class FakeClient:
    """The few calls of the Docker SDK that mlimage makes; an engine that takes what it is given."""

    container: FakeContainer = field(default_factory=FakeContainer)
    known: dict[str, FakeImage] = field(default_factory=dict)
    loads: dict[str, FakeImage] = field(default_factory=dict)
    loaded: bytes = b""
    created: dict[str, Any] = field(default_factory=dict)
    blobs: set[str] = field(default_factory=set)
    pulled: list[str] = field(default_factory=list)
    pull_error: str | None = None
    reaches: bool = True
    timeout: float | None = 60
    left: list[FakeContainer] = field(default_factory=list)

    @property
    def images(self) -> "FakeClient":
        return self

    @property
    def containers(self) -> "FakeClient":
        return self

    @property
    def api(self) -> "FakeClient":
        return self

    def info(self) -> dict[str, Any]:
        return {}

    def version(self) -> dict[str, Any]:
        return {}

    def get(self, name: str) -> FakeImage:
        from docker.errors import ImageNotFound

        if name not in self.known:
            raise ImageNotFound(f"No such image: {name}")
        return self.known[name]

    def tag(self, image: str, repository: str, tag: str) -> None:
        self.known[f"{repository}:{tag}"] = self.known[image]

    def remove_image(self, name: str) -> None:
        self.get(name)
        del self.known[name]

    def load(self, chunks: Iterable[bytes]) -> list[FakeImage]:
        assert self.timeout is None
        self.loaded = b"".join(chunks)
        self.known |= self.loads
        return list(self.loads.values())

    def pull(
        self, repository: str, *, tag: str, platform: str, stream: bool, decode: bool
    ) -> Iterator[Event]:
        """Fetch what is missing, as engines do: the manifest, then each blob whose digest is new."""
        assert (platform, stream, decode) == ("linux/amd64", True, True)
        if not self.reaches:
            yield {"error": "connection refused"}
            return
        host, _, name = repository.partition("/")
        manifest = json.loads(self._fetch(host, f"/v2/{name}/manifests/{tag}"))
        for blob in [manifest["config"], *manifest["layers"]]:
            short = blob["digest"][7:19]
            if blob["digest"] in self.blobs:
                yield {"id": short, "status": "Already exists"}
                continue
            if len(self._fetch(host, f"/v2/{name}/blobs/{blob['digest']}")) != blob["size"]:
                yield {"error": "unexpected EOF"}
                return
            self.blobs.add(blob["digest"])
            self.pulled.append(blob["digest"])
            yield {"id": short, "status": "Download complete"}
        config = json.loads(self._fetch(host, f"/v2/{name}/blobs/{manifest['config']['digest']}"))
        image = FakeImage(id=tag, layers=tuple(config["rootfs"]["diff_ids"]))
        self.known |= {f"{repository}@{tag}": image, tag: image}
        if self.pull_error:
            yield {"error": self.pull_error}

    def _fetch(self, host: str, path: str) -> bytes:
        connection = http.client.HTTPConnection(host, timeout=10)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        except http.client.IncompleteRead as error:
            return error.partial
        finally:
            connection.close()

    def list(self, *, all: bool, filters: Mapping[str, str], sparse: bool) -> list[FakeContainer]:  # noqa: A002 - as the SDK has it
        assert (all, filters, sparse) == (True, {"label": "dev.mlimage.client"}, True)
        return self.left

    def create(self, **settings: Any) -> FakeContainer:
        json.dumps(settings)
        self.created = settings
        return self.container
