"""Whole builds of a tiny image."""

import fcntl
import os
import shutil
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mlimage.atomic import PARTIAL
from mlimage.engines.build import Built
from mlimage.engines.direct import direct
from mlimage.engines.layers import make_layers
from mlimage.errors import BuildError, FetchError
from mlimage.lock.collisions import Allowed
from mlimage.oci.seal import seal
from mlimage.oci.unpack import unpack_image
from mlimage.progress import SILENT, Task, Unit
from support.elf import elf_library
from support.hostpython import STAND_IN
from support.tinyproject import LOADER, PLATFORM, PYTHON, SITE, Project
from support.wheels import write_zip

SECONDS = 20
"""What takes longer hangs."""


@dataclass
class Watched:
    """A `Progress` that keeps when tasks begin and end, and does what a test says when one advances."""

    events: list[str] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=dict)
    totals: dict[str, int | None] = field(default_factory=dict)
    on_advance: Callable[[str], None] = lambda _: None

    @contextmanager
    def task(self, description: str, *, total: int | None = None, unit: Unit = "items") -> Iterator[Task]:
        watched = self
        self.events.append(f"begin {description}")
        self.totals[description] = total

        class Counted:
            def advance(self, amount: int) -> None:
                watched.done[description] = watched.done.get(description, 0) + amount
                watched.on_advance(description)

        yield Counted()
        self.events.append(f"end {description}")

    def note(self, message: str) -> None:
        self.events.append(message)

    def warn(self, message: str) -> None:
        self.events.append(f"warning: {message}")

    def detail(self, message: str) -> None:
        pass


def test_everything_is_in_the_image(project: Project, tmp_path: Path) -> None:
    built = project.build()
    assert [layer.layer.name for layer in built.layers] == ["base", "one", "three", "two", "runtime", "app"]
    assert all(layer.made for layer in built.layers)
    assert built.unrecorded == ("base", "one", "three", "two")
    assert project.store.tags().keys() == {"demo:cpu"}
    root = tmp_path / "root"
    root.mkdir()
    unpack_image(built.image, project.store, root)
    tag = sys.implementation.cache_tag
    for path in (
        f"{SITE}/one/__init__.py",
        f"{SITE}/one/__pycache__/__init__.{tag}.pyc",
        f"{SITE}/two-1.0.dist-info/RECORD",
        f"usr/lib/python3/__pycache__/module.{tag}.pyc",
        "app/train.py",
        "opt/mlimage/roles.json",
        "opt/mlimage/entrypoint.py",
        f"var/lib/dpkg/status.d/python{PYTHON}-minimal",
    ):
        assert (root / path).is_file(), path
    assert project.left_over() == []


def test_nothing_is_made_twice(project: Project) -> None:
    first = project.build()
    assert (project.inputs.opened, sorted(project.inputs.given)) == (
        1,
        ["one", f"python{PYTHON}-minimal", "three", "two"],
    )
    project.inputs.given.clear()
    again = project.build()
    assert again.image == first.image
    assert not any(layer.made for layer in again.layers)
    assert (project.inputs.opened, project.inputs.given) == (1, [])
    project.wheel("two", {"two/__init__.py": b"changed = True\n"}, version="2.0")
    assert project.made() == ["two"]
    assert project.inputs.given == ["two"]
    (project.place / "image/app/train.py").write_text("print('again')\n")
    assert project.made() == ["app"]


def test_the_digest_does_not_depend_on_how_many_layers_are_made_at_once(project: Project) -> None:
    digests = set()
    for jobs in (1, 4):
        shutil.rmtree(project.cache.root, ignore_errors=True)
        digests.add(project.build(jobs=jobs).image.digest)
    assert len(digests) == 1


def test_without_bytecode_no_python_runs(project: Project, tmp_path: Path) -> None:
    project.bytecode = False
    built = project.build()
    assert not project.cache.roots.exists()
    (tmp_path / "root").mkdir()
    unpack_image(built.image, project.store, tmp_path / "root")
    assert not list((tmp_path / "root").rglob("*.pyc"))
    assert (tmp_path / "root" / SITE / "one/__init__.py").is_file()


def spoil(project: Project, name: str) -> Path:
    """Let a file of the wheel have another hash than RECORD says."""
    good = project.wheel(name, {f"{name}/__init__.py": b"1"})
    with zipfile.ZipFile(good) as archive:
        content = {item: archive.read(item) for item in archive.namelist()}
    content[f"{name}/__init__.py"] = b"2"
    path = project.place / "spoiled" / good.name
    write_zip(path, content)
    project.lock_wheel(name, path)
    return good


def test_one_layer_that_cannot_be_made(project: Project) -> None:
    good = spoil(project, "two")
    for jobs in (1, 4):
        with pytest.raises(BuildError) as caught:
            project.build(jobs=jobs)
        assert str(caught.value) == (
            "the wheel of `two 1.0` has `two/__init__.py` with another hash than its RECORD says"
        )
    assert project.left_over() == []
    assert project.store.tags() == {}, "half an image has no name"
    project.lock_wheel("two", good)
    assert "two" in project.made()


@contextmanager
def in_time() -> Iterator[threading.Event]:
    """An event that a server waits for which never answers; fails when the block takes too long."""
    never = threading.Event()
    late = threading.Timer(SECONDS, never.set)
    late.daemon = True
    late.start()
    try:
        yield never
        assert not never.is_set(), "it waited for the silent server"
    finally:
        late.cancel()
        never.set()


def refuse() -> None:
    raise FetchError("`one` is gone")


def test_a_file_that_cannot_be_had_while_another_does_not_come(project: Project) -> None:
    project.inputs.before["one"] = refuse
    for jobs in (1, 4):
        with in_time() as never:
            project.inputs.before["three"] = never.wait
            with pytest.raises(FetchError) as caught:
                project.build(jobs=jobs)
        assert str(caught.value) == "`one` is gone"
    assert project.left_over() == []


def test_ctrl_c_while_a_server_is_silent(project: Project) -> None:
    def interrupt(task: str) -> None:
        if task.startswith("layers"):
            raise KeyboardInterrupt

    before = {thread.name for thread in threading.enumerate()}
    with in_time() as never:
        project.inputs.before["three"] = never.wait
        with pytest.raises(KeyboardInterrupt):
            project.build(progress=Watched(on_advance=interrupt))
    assert project.left_over() == []
    waiting = {thread.name for thread in threading.enumerate() if not thread.daemon} - before
    assert waiting == set(), "nothing keeps the process from ending"
    project.inputs.before.clear()
    assert project.build().image.name == "demo:cpu"


def test_a_disk_that_is_full_when_a_layer_is_noted(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("mlimage.oci.records.LayerRecords.put", full)
        with pytest.raises(OSError, match="No space left"):
            project.build()
    assert project.left_over() == []
    assert project.build().image.name == "demo:cpu"


def test_progress_counts_what_is_done(project: Project) -> None:
    watched = Watched()
    project.build(progress=watched)
    assert watched.totals["layers of demo:cpu"] == watched.done["layers of demo:cpu"] == 6
    size = sum(path.stat().st_size for path in project.files.values())
    assert watched.totals["fetching"] == watched.done["fetching"] == size
    assert watched.events.index("end fetching") < watched.events.index("end layers of demo:cpu")
    assert watched.events.count("end fetching") == 1


def test_two_packages_that_write_one_file(project: Project) -> None:
    project.wheel("two", {"one/__init__.py": b"mine = True\n"})
    for _ in range(2):
        with pytest.raises(BuildError) as caught:
            project.build()
        assert str(caught.value) == (
            "`demo:cpu` has packages that cannot be together:\n"
            f"  `one` and `two` both write `/{SITE}/one/__init__.py`, with different content\n"
            "    `one` 1.0 is in `dependencies`\n"
            "    `two` 1.0 is in `dependencies`"
        )
    assert project.store.tags() == {}


def test_nothing_is_made_of_packages_that_conflict(project: Project) -> None:
    project.wheel("two", {"one/__init__.py": b"mine = True\n"})
    for digest, path in project.files.items():
        place = project.cache.input(digest)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(path.read_bytes())
    with pytest.raises(BuildError):
        project.build()
    assert project.inputs.opened == 0
    assert not project.store.folder.exists()


def _site(project: Project, built: Built, tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    unpack_image(built.image, project.store, folder)
    return folder / SITE


@pytest.mark.parametrize(("keep", "other"), [("one", "two"), ("two", "one")])
def test_the_files_of_the_package_that_is_kept(
    project: Project, tmp_path: Path, keep: str, other: str
) -> None:
    before = {layer.layer.name: layer.key for layer in project.build().layers}
    for name in ("one", "two"):
        project.wheel(
            name,
            {
                "x/a.py": f"of = {name!r}\n".encode(),
                "x/b.py": b"",
                f"x/{name}.py": b"",
                "README": name.encode(),
            },
        )
    project.allowed = (Allowed(packages=("one", "two"), keep=keep),)
    built = project.build()
    site = _site(project, built, tmp_path)
    assert (site / "x/a.py").read_text() == f"of = {keep!r}\n"
    assert {path.name for path in (site / "x").glob("*.py")} == {"a.py", "b.py", "one.py", "two.py"}
    records = {
        name: {
            line.partition(",")[0]
            for line in (site / f"{name}-1.0.dist-info/RECORD").read_text().splitlines()
        }
        for name in ("one", "two")
    }
    assert {"x/a.py", "x/b.py", "README", f"x/{keep}.py"} <= records[keep]
    assert records[other] & {"x/a.py", "x/b.py", "README", f"x/{other}.py"} == {f"x/{other}.py"}
    after = {layer.layer.name: layer.key for layer in built.layers}
    same = {name for name, key in after.items() if before[name] == key}
    assert same == {"base", "three", "runtime", "app"}
    assert project.made() == []


def test_what_no_program_can_tell_apart_passes(project: Project, tmp_path: Path) -> None:
    for name in ("one", "two"):
        project.wheel(name, {"README.md": name.encode(), "tests/test_it.py": f"assert {name!r}\n".encode()})
    built = project.build()
    site = _site(project, built, tmp_path)
    assert ((site / "README.md").read_text(), (site / "tests/test_it.py").read_text()) == (
        "two",
        "assert 'two'\n",
    )


def test_an_entry_that_settles_nothing_is_said_at_each_build(project: Project) -> None:
    project.allowed = (Allowed(packages=("one", "two"), keep="one", paths=("/opt/**",)),)
    for _ in range(2):
        watched = Watched()
        project.build(progress=watched)
        [said] = [event for event in watched.events if "allow_conflicts" in event]
        assert said == (
            "warning: `allow_conflicts` has `one` and `two`, and nothing of theirs conflicts in `demo:cpu` "
            "at `/opt/**`"
        )


def test_two_packages_with_one_shared_library(project: Project) -> None:
    for name in ("one", "two"):
        project.wheel(
            name,
            {
                f"{name}/libx.so": elf_library("libx.so.1", filling=name.encode()),
                f"{name}/_C.so": elf_library("", exports="PyInit__C", needed=["libx.so.1"]),
            },
        )
    for _ in range(2):
        with pytest.raises(BuildError) as caught:
            project.build()
        assert str(caught.value) == (
            "`demo:cpu` has packages that cannot be together:\n"
            "  `one` and `two` both have the shared library `libx.so.1`, with different content: "
            f"`/{SITE}/one/libx.so` and `/{SITE}/two/libx.so`; what needs it, as `/{SITE}/one/_C.so`, gets "
            "the one that is loaded first\n"
            "    `one` 1.0 is in `dependencies`\n"
            "    `two` 1.0 is in `dependencies`"
        )
    assert project.store.tags() == {}


def test_wheels_are_read_again_where_nothing_is_noted_of_them(project: Project) -> None:
    project.build()
    [noted] = project.cache.layers.glob("*.together")
    noted.unlink()
    shutil.rmtree(project.cache.metadata)
    project.inputs.given.clear()
    assert project.made() == []
    assert project.inputs.given == ["one", "three", "two"]


def test_a_blob_that_vanishes_is_made_again(project: Project) -> None:
    built = project.build()
    gone = built.layers[1].blob
    arguments = {
        "folder": project.place / "image", "engine": direct, "inputs": lambda: project.inputs,
        "cache": project.cache, "store": project.store, "progress": SILENT,
    }  # fmt: skip
    layers = make_layers(project.plan(), **arguments)  # type: ignore[arg-type]
    project.store.blob(gone.blob.digest).unlink()
    with pytest.raises(BuildError, match=r"^layer `one` of `demo:cpu` is not in the store: sha256:"):
        seal(project.plan(), [layer.blob for layer in layers], project.store)
    assert project.made() == ["one"]
    assert project.build().image == built.image


@pytest.mark.parametrize("damage", ["loader", "half"])
def test_a_damaged_root_is_made_again(project: Project, damage: str) -> None:
    first = project.build().image
    [root] = project.cache.roots.iterdir()
    loader = root / "usr/lib" / PLATFORM.multiarch / LOADER
    if damage == "loader":
        loader.write_text("#!/bin/sh\nexit 127\n")
    else:
        shutil.rmtree(root / "usr/bin")
    shutil.rmtree(project.cache.layers)
    assert project.build().image == first
    assert loader.read_text() == STAND_IN
    assert project.left_over() == []


def test_what_a_killed_build_left_goes_with_the_next_one_and_what_is_at_work_stays(project: Project) -> None:
    dead, alive = project.cache.root / f"{PARTIAL}dead", project.cache.root / f"{PARTIAL}alive"
    for place in (dead, alive):
        place.mkdir(parents=True)
        (place / "spool").write_bytes(b"1")
    descriptor = os.open(alive, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    project.build()
    os.close(descriptor)
    assert project.left_over() == [alive]


def test_builds_at_once_share_a_cache(project: Project) -> None:
    with ThreadPoolExecutor(3) as pool:
        images = list(pool.map(lambda _: project.build(jobs=2).image, range(3)))
    assert len({image.digest for image in images}) == 1
    assert len(list(project.cache.roots.iterdir())) == 1
    assert project.left_over() == []
