"""`kill -9` and Ctrl-C of a push and a pull: nothing half-made has a name, the next run does what is left."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from mlimage.atomic import PARTIAL
from mlimage.cache import Cache
from mlimage.oci.store import Store
from support.building import MLIMAGE
from support.interrupting import running
from support.registries import OwnRegistry, own_registry
from support.relay import Relay, relay
from support.steps import Steps

pytestmark = [pytest.mark.network, pytest.mark.engine]

LOST: Final = 1 << 20
"""Bytes that are on their way, or in memory, when a process is killed."""


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[OwnRegistry]:
    with own_registry(tmp_path / "registry") as made:
        yield made


def killed(person: Steps, wire: Relay, *arguments: str) -> None:
    """Run mlimage until the wire has stopped, and what came over it is written."""
    process = person.start(*arguments, stderr=subprocess.DEVNULL)
    try:
        assert wire.stopped.wait(60)
        written = -1
        while written != (written := size_of(person.cache.root)):
            time.sleep(0.3)
    finally:
        process.kill()
        assert process.wait() == -9
        wire.release()


def interrupted(person: Steps, wire: Relay, folder: Path, *arguments: str) -> None:
    """Run mlimage until the wire has stopped, and let an impatient person end it: it waits for no server."""
    environ = {**person.environ, "MLIMAGE_CACHE": str(person.cache.root)}
    with running((MLIMAGE, *arguments), folder=person.root, environ=environ, temporary=folder) as run:
        run.until(wire.stopped.is_set)
        run.end(signal.SIGINT, signal.SIGTERM, places=[person.cache.root])
    wire.release()


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def result(person: Steps, *arguments: str) -> Any:
    done = person.run(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def blobs(person: Steps) -> dict[str, int]:
    """The layers and configurations of both variants, and their sizes."""
    store = Store(person.cache.store)
    images = [store.load(manifest, name=name) for name, manifest in store.tags().items()]
    found = {layer.blob.digest: layer.blob.size for image in images for layer in image.layers}
    return {
        str(key): size for key, size in {**found, **{i.config.digest: i.config.size for i in images}}.items()
    }


@pytest.mark.parametrize("part", [0.02, 0.5, 0.98])
def test_a_push_while_blobs_are_sent(
    part: float, built_steps: Steps, registry: OwnRegistry, tmp_path: Path
) -> None:
    wanted = blobs(built_steps)
    with relay(registry.port, sent_most=int(part * sum(wanted.values()))) as wire:
        push = ("push", "--to", f"{wire.host}/team", "--tag", "latest")
        killed(built_steps, wire, *push)
        assert registry.tags("team/steps") == []
        there = set(registry.blobs())
        assert there < wanted.keys()
        [pushed] = result(built_steps, *push)
    kept = sum(wanted[digest] for digest in there)
    assert pushed["bytes"] == {"sent": sum(wanted.values()) - kept, "mounted": 0, "there": kept}
    whole(built_steps, registry, pushed, tmp_path)


@pytest.mark.parametrize("before", ["manifests/sha256:", "manifests/20", "manifests/latest"])
def test_a_push_once_the_blobs_are_there(
    before: str, built_steps: Steps, registry: OwnRegistry, tmp_path: Path
) -> None:
    wanted = blobs(built_steps)
    with relay(registry.port, before=f"PUT /v2/team/steps/{before}".encode()) as wire:
        push = ("push", "--to", f"{wire.host}/team", "--tag", "latest")
        killed(built_steps, wire, *push)
        assert len(registry.tags("team/steps")) == (before == "manifests/latest")
        assert wanted.keys() <= registry.blobs().keys()
        already = wire.sent
        [pushed] = result(built_steps, *push)
        assert wire.sent - already < LOST
    assert pushed["bytes"] == {"sent": 0, "mounted": 0, "there": sum(wanted.values())}
    whole(built_steps, registry, pushed, tmp_path)


def test_a_transfer_that_is_interrupted(built_steps: Steps, registry: OwnRegistry, tmp_path: Path) -> None:
    size = sum(blobs(built_steps).values())
    with relay(registry.port, sent_most=size // 2) as wire:
        push = ("push", "--to", f"{wire.host}/team", "--tag", "latest")
        interrupted(built_steps, wire, tmp_path / "push", *push)
        assert registry.tags("team/steps") == []
        [pushed] = result(built_steps, *push)
    whole(built_steps, registry, pushed, tmp_path)
    laptop = replace(built_steps, cache=Cache(tmp_path / "other"))
    laptop.cache.root.mkdir()
    with relay(registry.port, got_most=size // 4) as wire:
        pull = ("pull", f"{wire.host}/team/steps:latest", "--variant", "cpu")
        interrupted(laptop, wire, tmp_path / "pull", *pull)
        assert result(laptop, "inspect") == []
        result(laptop, *pull)
    assert list(laptop.cache.root.rglob(f"{PARTIAL}*")) == []


def whole(person: Steps, registry: OwnRegistry, pushed: Any, folder: Path) -> None:
    """Whether all that the tags lead to is there, and right."""
    assert registry.tags("team/steps") == sorted(pushed["tags"])
    assert blobs(person).keys() <= registry.blobs().keys()
    laptop = replace(person, cache=Cache(folder / "laptop"))
    pulled = result(laptop, "pull", f"{registry.host}/team/steps:latest", "--variant", "cuda")
    assert pulled["image_id"] == result(person, "inspect", "steps:cuda")["image_id"]


@pytest.mark.parametrize("part", [0.02, 0.5, 0.98])
def test_a_pull(part: float, built_steps: Steps, registry: OwnRegistry, tmp_path: Path) -> None:
    result(built_steps, "push", "--to", f"{registry.host}/team", "--tag", "latest")
    built = result(built_steps, "inspect", "steps:cpu")
    laptop = replace(built_steps, cache=Cache(tmp_path / "laptop"))
    with relay(registry.port, got_most=int(part * built["size"])) as wire:
        pull = ("pull", f"{wire.host}/team/steps:latest", "--variant", "cpu")
        killed(laptop, wire, *pull)
        assert result(laptop, "inspect") == []
        came = wire.got
        pulled = result(laptop, *pull)
        assert wire.got - came < built["size"] - came + LOST
    assert (pulled["digest"], pulled["image_id"]) == (built["digest"], built["image_id"])
    assert list(laptop.cache.root.rglob(f"{PARTIAL}*")) == []
    assert result(laptop, "cache", "verify")["damaged"] == []
    assert result(laptop, "cache", "prune") is not None
