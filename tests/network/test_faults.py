"""Builds that are killed, starved and lied to: never a wrong image, always done or a clear error."""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlimage.cache import Cache
from support.building import IMAGE, MLIMAGE, build, project_at
from support.machine import ROOT

pytestmark = pytest.mark.network

KILLS = 50
"""Builds that are really killed: those that end before their moment do not count."""


def _expected() -> dict[str, str]:
    found: dict[str, str] = json.loads((ROOT / "tests" / "golden" / "digests" / f"{IMAGE}.json").read_text())
    return found


def _run(cache: Cache, project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [MLIMAGE, *arguments],
        cwd=project,
        env={**os.environ, "MLIMAGE_CACHE": str(cache.root)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_killed_at_any_moment(tmp_path: Path, warm_cache: Cache) -> None:
    """What a killed build leaves is never taken for an image, and the next build gives the right one."""
    project = project_at(tmp_path)
    chance = random.Random(20261121)  # noqa: S311 - to be the same each time
    started = time.monotonic()
    assert build(project, warm_cache) == _expected()
    whole = time.monotonic() - started
    killed = 0
    while killed < KILLS:
        with subprocess.Popen(
            [MLIMAGE, "build", "--no-check", IMAGE],
            cwd=project,
            env={**os.environ, "MLIMAGE_CACHE": str(warm_cache.root)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            try:
                process.wait(chance.uniform(0.05, whole))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
        if process.returncode == -signal.SIGKILL:
            killed += 1
        else:  # it was done before its moment came: the next ones begin with nothing again
            assert process.returncode == 0
            for folder in (warm_cache.layers, warm_cache.store, warm_cache.roots):
                shutil.rmtree(folder)
        listed = _run(warm_cache, project, "inspect", IMAGE, "--json")
        assert listed.returncode in {0, 2}, listed.stderr
        if listed.returncode == 0:
            assert json.loads(listed.stdout)["digest"] == _expected()["digest"]
    done = _run(warm_cache, project, "cache", "verify")
    assert done.returncode == 0, done.stderr
    assert build(project, warm_cache) == _expected()


def test_two_builds_at_once(tmp_path: Path, warm_cache: Cache) -> None:
    project = project_at(tmp_path)
    results: list[dict[str, str]] = []
    threads = [threading.Thread(target=lambda: results.append(build(project, warm_cache))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [_expected(), _expected()]


@contextlib.contextmanager
def _small_disk(folder: Path, size: str) -> Iterator[None]:
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.root
@pytest.mark.parametrize("size", ["1M", "40M", "120M"])
def test_a_full_disk(tmp_path: Path, warm_cache: Cache, size: str) -> None:
    project = project_at(tmp_path)
    disk = tmp_path / "disk"
    with _small_disk(disk, size):
        small = Cache(disk / "cache")
        small.root.mkdir()
        small.inputs.parent.symlink_to(warm_cache.inputs.parent.resolve())
        done = _run(small, project, "build", "--no-check", IMAGE)
        assert done.returncode == 11, done.stderr
        assert "disk" in done.stderr
        assert "Traceback" not in done.stderr
        assert _run(small, project, "inspect", IMAGE).returncode == 2
        subprocess.run(["mount", "-o", "remount,size=1G", str(disk)], check=True)
        assert build(project, small) == _expected()


def test_damaged_inputs_are_fetched_again(tmp_path: Path, warm_cache: Cache) -> None:
    project = project_at(tmp_path)
    assert build(project, warm_cache) == _expected()
    own = tmp_path / "own"
    shutil.copytree(warm_cache.inputs.parent, own)
    warm_cache.inputs.parent.unlink()
    own.rename(warm_cache.inputs.parent)
    chance = random.Random(7)  # noqa: S311
    for path in warm_cache.inputs.glob("*/*"):
        damage = chance.choice(("flip", "cut", "empty", "none"))
        content = bytearray(path.read_bytes())
        if damage == "flip":
            content[len(content) // 2] ^= 1
        elif damage == "cut":
            content = content[: len(content) // 2]
        elif damage == "empty":
            content = bytearray()
        path.write_bytes(content)
    for folder in (warm_cache.layers, warm_cache.store, warm_cache.roots):
        shutil.rmtree(folder)
    assert build(project, warm_cache) == _expected()


def test_damaged_records_of_layers_are_made_again(tmp_path: Path, warm_cache: Cache) -> None:
    project = project_at(tmp_path)
    assert build(project, warm_cache) == _expected()
    for number, path in enumerate(sorted(warm_cache.layers.glob("*.json"))):
        path.write_bytes([b"", b"{", b'{"name": 1}', path.read_bytes()[:-9]][number % 4])
    assert build(project, warm_cache) == _expected()


def test_a_damaged_layer_is_never_handed_out(tmp_path: Path, warm_cache: Cache) -> None:
    """A layer whose bytes rot: whoever reads it is told, it is removed, and a build mends it."""
    project = project_at(tmp_path)
    assert build(project, warm_cache) == _expected()
    blob = max((warm_cache.store / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(blob.read_bytes())
    content[len(content) // 2] ^= 1
    times = blob.stat()
    blob.write_bytes(content)
    os.utime(blob, ns=(times.st_atime_ns, times.st_mtime_ns))
    archive = tmp_path / "image.tar"
    done = _run(warm_cache, project, "build", "--no-check", IMAGE, "--output", f"oci-archive:{archive}")
    assert done.returncode == 7, done.stderr
    assert blob.name[:12] in done.stderr
    assert not archive.exists()
    assert not blob.exists()
    assert _run(warm_cache, project, "cache", "verify").returncode == 8
    assert build(project, warm_cache) == _expected()
    done = _run(warm_cache, project, "build", "--no-check", IMAGE, "--output", f"oci-archive:{archive}")
    assert done.returncode == 0, done.stderr


@pytest.mark.root
def test_a_cache_that_cannot_be_written(tmp_path: Path, warm_cache: Cache) -> None:
    project = project_at(tmp_path)
    frozen = tmp_path / "frozen"
    frozen.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1M,ro", "tmpfs", str(frozen)], check=True)
    try:
        done = _run(Cache(frozen / "cache"), project, "build", "--no-check", IMAGE)
    finally:
        subprocess.run(["umount", str(frozen)], check=True)
    assert done.returncode == 11, done.stderr
    assert "read-only" in done.stderr.lower()
    assert "Traceback" not in done.stderr
    assert build(project, warm_cache) == _expected()
