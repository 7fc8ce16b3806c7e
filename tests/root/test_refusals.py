"""Disks and limits that are really reached: status 11, with the folder or the limit, and a hint for it."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mlimage.cache import Cache
from mlimage.digest import Digest
from mlimage.fetch import Http, NotWrittenError
from mlimage.lock.text import write_lock
from mlimage.oci.model import SealedImage
from mlimage.oci.store import Store
from mlimage.progress import NOTHING
from mlimage.refusals import refusal_of
from support import locks
from support.faultyregistry import faulty_registry
from support.offline import Offline, offline_project
from support.pulling import pulled
from support.pushing import destination, pushed
from support.webserver import web_server

pytestmark = pytest.mark.root

FULL = "no space is left on the disk"
LARGER = "no file may be larger than 1000000 bytes (`ulimit -f`)"
INODES = "the disk has no inodes left for more files"
OF_CACHE = "(`mlimage cache prune`), or set MLIMAGE_CACHE to a folder on another disk"
OF_PROJECT = "free some there, or work in a folder on another disk"
LARGE = {"three/large.bin": os.urandom(2_000_000)}


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[Path]:
    """A file system of its own at a folder: a tmpfs with these options."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """The folder cannot be written by anybody."""
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def fill(folder: Path, *, leaving: int = 0) -> None:
    """Let a disk have so many bytes left."""
    disk = os.statvfs(folder)
    with (folder / "filler").open("wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, disk.f_bavail * disk.f_frsize - leaving)


def use_up_inodes(folder: Path) -> None:
    """Let a disk take no more files."""
    try:
        for number in range(10_000):
            (folder / f"file-{number}").touch()
    except OSError:
        return


@dataclass
class Machine:
    """Where the command line runs."""

    place: Path
    environ: dict[str, str] = field(default_factory=dict)

    def run(self, *words: str, prefix: Sequence[str] = (), cwd: Path | None = None) -> tuple[int, str]:
        """Status, and what was said on standard error but for progress."""
        done = subprocess.run(
            [*prefix, sys.executable, "-m", "mlimage", *words],
            cwd=cwd or self.place, env={**os.environ, **self.environ}, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        lines = [line for line in done.stderr.splitlines() if line.startswith(("error:", "hint:", " "))]
        return done.returncode, "\n".join(lines)


@pytest.fixture
def tiny(tmp_path: Path) -> Offline:
    if os.geteuid() != 0:
        pytest.fail("this test mounts file systems: run it as root")
    return offline_project(tmp_path, files=LARGE)


@pytest.fixture
def machine(tiny: Offline) -> Machine:
    return Machine(tiny.root, {"MLIMAGE_CACHE": str(tiny.cache.root)})


def refused(what: str, hint: str) -> tuple[int, str]:
    return 11, f"error: {what}\nhint: {hint}"


def test_a_project_on_a_full_disk(machine: Machine, tiny: Offline, tmp_path: Path) -> None:
    assert machine.run("build") == (0, "")
    with mounted(tmp_path / "disk", "size=1m") as disk:
        project = shutil.copytree(tiny.root, disk / "project")
        fill(disk)
        digests = project / "lockfiles/tiny/digests.toml"
        page = project / "images/tiny/Dockerfile.cpu"
        for words, place in (
            (("build", "--record"), digests),
            (("render",), page),
            (("init", "other"), project / "images/other"),
            (("build", "-o", f"oci-archive:{project}/tiny.tar"), project / "tiny.tar"),
            (("build", "-o", f"oci:{project}/layout"), project / "layout"),
        ):
            status, said = machine.run(*words, cwd=project)
            assert status == 11, (words, said)
            assert re.fullmatch(refused(f"`({place}(/.*)?|{place.parent})`: {FULL}", OF_PROJECT)[1], said)
        with pytest.raises(OSError, match="No space") as caught:
            write_lock(project / "lockfiles/new", locks.lock([locks.package(f"p{n}") for n in range(100)]))
        refusal = refusal_of(caught.value)
        assert refusal
        assert refusal.what.startswith(f"`{project}/lockfiles/new")
        assert not [path for path in project.rglob("*") if path.name.startswith(".partial-")]


def test_a_cache_on_a_full_disk(machine: Machine, tiny: Offline, tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=8m") as disk:
        cache = shutil.copytree(tiny.cache.root, disk / "cache")
        fill(disk, leaving=200_000)
        machine.environ["MLIMAGE_CACHE"] = str(cache)
        status, said = machine.run("build")
        assert (status, said) == (
            11,
            f"error: `{cache}`: {FULL}\nhint: free some {OF_CACHE}",
        )
        fill(disk)
        assert machine.run("cache", "prune")[0] == 0, "which is what the hint says"
        (disk / "filler").unlink()
        assert machine.run("build") == (0, "")


def test_a_fetch_and_a_pull_onto_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pushable: SealedImage, source: Store, quick: Http
) -> None:
    content = os.urandom(300_000)
    with (
        mounted(tmp_path / "disk", "size=256k") as disk,
        faulty_registry(rate=0) as registry,
        web_server() as web,
    ):
        monkeypatch.setenv("MLIMAGE_CACHE", str(disk))
        web.files["/file"] = content
        to = Cache(disk).input(Digest.of(content))
        with pytest.raises(NotWrittenError) as caught:
            quick.download(f"{web.origin}/file", to, digest=Digest.of(content), size=None, task=NOTHING)
        assert (str(caught.value), caught.value.hint) == (f"`{to.parent}`: {FULL}", f"free some {OF_CACHE}")
        assert caught.value.exit_status == 11
        pushed(pushable, source, destination(registry, quick), tags=["latest"])
        store = Store(disk / "store")
        with pytest.raises(NotWrittenError) as caught:
            pulled(registry, quick, store)
        assert (str(caught.value), caught.value.hint) == (f"`{store.blobs}`: {FULL}", f"free some {OF_CACHE}")
        assert store.tags() == {}


def test_a_cache_without_inodes(machine: Machine, tiny: Offline, tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=40m", "nr_inodes=200") as disk:
        cache = shutil.copytree(tiny.cache.root, disk / "cache")
        use_up_inodes(disk)
        machine.environ["MLIMAGE_CACHE"] = str(cache)
        status, said = machine.run("build")
        assert status == 11
        assert said.endswith(f": {INODES}\nhint: delete files {OF_CACHE}"), said
        assert said.startswith(f"error: `{cache}/"), said


def test_temporary_files_on_a_full_disk(machine: Machine, tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=64k") as disk:
        machine.environ["TMPDIR"] = str(disk)
        fill(disk, leaving=4096)  # enough for Python to choose it
        status, said = machine.run("build")
        assert status == 11
        assert said == (
            f"error: `{disk}`: {FULL}\nhint: free some there, or set TMPDIR to a folder on another disk"
        )


def test_standard_output_that_is_full(tiny: Offline, machine: Machine) -> None:
    full = ["sh", "-c", 'exec "$0" "$@" > /dev/full']
    for words in (("schema",), ("sbom", "tiny"), ("--help",), ("lock", "--check", "--json")):
        assert machine.run(*words, prefix=full) == refused(
            f"`standard output`: {FULL}", "free some where it goes, or let it go to another disk"
        )


def test_all_that_only_reads(machine: Machine, tiny: Offline) -> None:
    assert machine.run("build") == (0, "")
    assert machine.run("render") == (0, "")
    shutil.rmtree(tiny.cache.root / "locks")
    with read_only(tiny.cache.root), read_only(tiny.root):
        for words in (
            ("build",), ("lock", "--check"), ("lock",), ("inspect", "tiny"), ("sbom", "tiny"),
            ("cache", "ls"), ("diff", "tiny:cpu", "tiny:cpu"), ("render",), ("cache", "verify"),
        ):  # fmt: skip
            assert machine.run(*words) == (0, ""), words


def test_what_has_to_write_says_so(machine: Machine, tiny: Offline) -> None:
    with read_only(tiny.cache.root):
        assert machine.run("build") == refused(
            f"`{tiny.cache.root}`: the file system is read-only",
            "set MLIMAGE_CACHE to a folder that you may write",
        )
    assert machine.run("build") == (0, "")
    with read_only(tiny.root):
        assert machine.run("build", "--record") == refused(
            f"`{tiny.root}/lockfiles/tiny`: the file system is read-only",
            "change its owner, mode or place, or work in a copy of the project",
        )


def test_files_that_may_not_be_as_large(machine: Machine, tiny: Offline) -> None:
    status, said = machine.run("build", prefix=["prlimit", "--fsize=1000000"])
    assert (status, said) == refused(
        f"`{tiny.cache.root}`: {LARGER}", "raise the limit: `ulimit -f unlimited`"
    )


def test_too_many_open_files(machine: Machine) -> None:
    status, said = machine.run("build", prefix=["prlimit", "--nofile=14:14"])
    assert status == 11
    assert "too many files are open: the limit is 14 (`ulimit -n`)" in said


def test_too_many_processes(machine: Machine) -> None:
    # A user without the rights that lift the limit, but who may read where this python is installed.
    somebody = [
        "setpriv",
        "--reuid=54321",
        "--clear-groups",
        "--inh-caps=-all,+dac_override",
        "--ambient-caps=+dac_override",
        "--bounding-set=-all,+dac_override",
        "prlimit",
        "--nproc=1",
    ]
    status, said = machine.run("build", prefix=somebody)
    assert (status, said) == refused(
        "no more processes and threads can be started: your limit is 1 (`ulimit -u`)",
        "end other programs of yours, or ask root to raise the limit",
    )


def test_a_file_in_place_of_the_cache(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    machine.environ["MLIMAGE_CACHE"] = f"{tmp_path}/file"
    assert machine.run("build") == refused(
        f"`{tmp_path}/file/locks`: a file stands where a folder should be", "set MLIMAGE_CACHE to a folder"
    )
