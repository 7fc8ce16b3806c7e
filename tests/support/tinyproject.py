"""A tiny image from real wheels and debs; this machine's python stands in for the base's."""

import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from mlimage.atomic import PARTIAL
from mlimage.cache import Cache
from mlimage.digest import Digest
from mlimage.engines.build import Built, build_image
from mlimage.engines.direct import direct
from mlimage.engines.elsewhere import Elsewhere
from mlimage.lock.collisions import Allowed
from mlimage.lock.identity import check_identity
from mlimage.lock.inputs import Inputs, Item
from mlimage.lock.model import AssembledBase, Deb, ImageLayer, LockedPackage
from mlimage.oci.model import Descriptor
from mlimage.oci.store import Store
from mlimage.plan.layers import base_layer, package_layers
from mlimage.plan.model import AppLayer, BuildPlan, RuntimeLayer
from mlimage.platforms import Platform
from mlimage.progress import SILENT, Progress, Task
from support.debs import folder, link, member, write_deb
from support.hostpython import STAND_IN
from support.locks import package
from support.sealing import plan_of
from support.wheels import make_wheel

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
PLATFORM = Platform.parse({"x86_64": "linux/amd64", "aarch64": "linux/arm64"}[platform.machine()])
LOADER = {"amd64": "ld-linux-x86-64.so.2", "arm64": "ld-linux-aarch64.so.1"}[PLATFORM.architecture]
SITE = f"opt/venv/lib/python{PYTHON}/site-packages"


def locked(name: str, path: Path, version: str = "1.0") -> LockedPackage:
    """A wheel as a lock has it."""
    return replace(
        package(name, version, size=path.stat().st_size), sha256=Digest.of_file(path), file=path.name
    )


@dataclass
class Place:
    """An `Elsewhere` that has the blobs of a store; those of `brings` it puts into the other."""

    has: Store
    brings: Store | None = None
    asked: list[Digest] = field(default_factory=list)

    def find(self, blobs: Sequence[Descriptor]) -> frozenset[Digest]:
        """Those that it has."""
        self.asked += [blob.digest for blob in blobs]
        found = [blob for blob in blobs if self.has.holds(blob)]
        if self.brings:
            for blob in found:
                path = self.brings.blob(blob.digest)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(self.has.blob(blob.digest).read_bytes())
        return frozenset(blob.digest for blob in found)


class FixedInputs(Inputs):
    """Gives files that are there; counts them, and does first what a test says."""

    def __init__(self, files: Mapping[Digest, Path]) -> None:
        self.files = files
        self.opened = 0
        self.given: list[str] = []
        self.before: dict[str, Callable[[], object]] = {}

    def get(self, item: Item, task: Task) -> Path:
        assert not isinstance(item, ImageLayer)
        self.before.get(item.name, lambda: None)()
        self.given.append(item.name)
        task.advance(item.size)
        check_identity(item, self.files[item.sha256])
        return self.files[item.sha256]


class Project:
    """An image of a small base, some wheels and an application, and the machine it is built on."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.cache = Cache(place / "cache")
        self.store = Store(self.cache.store)
        self.files: dict[Digest, Path] = {}
        self.packages: dict[str, LockedPackage] = {}
        self.bytecode = True
        self.allowed: tuple[Allowed, ...] = ()
        self.inputs = FixedInputs(self.files)
        (place / "image/app").mkdir(parents=True)
        (place / "image/app/train.py").write_text("print('trained')\n")
        library = f"./usr/lib/{PLATFORM.multiarch}"
        members = [
            folder("./usr/"), folder("./usr/bin/"), folder("./usr/lib/"), folder(f"{library}/"),
            folder("./usr/lib/python3/"),
            member(f"{library}/{LOADER}", STAND_IN.encode(), mode=0o755),
            member(f"./usr/bin/python{PYTHON}", b"", mode=0o755),
            link("./usr/bin/python3", f"python{PYTHON}"),
            member("./usr/lib/python3/module.py", b"answer = 42\n"),
        ]  # fmt: skip
        path = write_deb(
            place, members, package=f"python{PYTHON}-minimal", architecture=PLATFORM.architecture
        )
        digest = self.keep(path)
        deb = Deb(
            name=f"python{PYTHON}-minimal",
            version="1.0-1",
            architecture=PLATFORM.architecture,
            archive="debian",
            path=path.name,
            size=path.stat().st_size,
            sha256=digest,
        )
        self.base = AssembledBase(
            suite="bookworm", platform=PLATFORM, python=PYTHON, packages=(), debs=(deb,)
        )
        for name in ("one", "two", "three"):
            self.wheel(name, {f"{name}/__init__.py": f"name = {name!r}\n".encode()})

    def keep(self, path: Path) -> Digest:
        digest = Digest.of_file(path)
        self.files[digest] = path
        return digest

    def wheel(self, name: str, files: Mapping[str, bytes], *, version: str = "1.0") -> Path:
        path = make_wheel(self.place / "wheels", name, version, files)
        self.lock_wheel(name, path, version)
        return path

    def lock_wheel(self, name: str, path: Path, version: str = "1.0") -> None:
        self.keep(path)
        self.packages[name] = locked(name, path, version)

    def plan(self) -> BuildPlan:
        plan = plan_of([], image="demo")
        packages = package_layers(
            tuple(self.packages.values()), self.base, allowed=self.allowed, single=1 << 20, bins=4,
            compression=plan.compression, bytecode=self.bytecode,
        )  # fmt: skip
        return replace(
            plan,
            platform=PLATFORM,
            python=PYTHON,
            base=self.base,
            bytecode=self.bytecode,
            allowed=self.allowed,
            layers=(
                base_layer(self.base, compression=plan.compression, bytecode=self.bytecode),
                *packages,
                RuntimeLayer(name="runtime"),
                AppLayer(name="app", source="app", ignore=(), roles=b"{}"),
            ),
        )

    def build(
        self,
        *,
        jobs: int | None = None,
        progress: Progress = SILENT,
        record: bool = False,
        elsewhere: Elsewhere | None = None,
    ) -> Built:
        def inputs() -> Inputs:
            self.inputs.opened += 1
            return self.inputs

        return build_image(
            self.plan(),
            folder=self.place / "image",
            lock_folder=self.place / "lock",
            record=record,
            engine=direct,
            elsewhere=elsewhere,
            inputs=inputs,
            cache=self.cache,
            store=self.store,
            progress=progress,
            jobs=jobs,
        )

    def made(self) -> list[str]:
        return [layer.layer.name for layer in self.build().layers if layer.made]

    def left_over(self) -> list[Path]:
        return sorted(self.place.rglob(f"{PARTIAL}*"))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "lock").mkdir()
    return Project(tmp_path)
