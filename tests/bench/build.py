"""How long builds take, against peers that run in turn, and how much memory they hold.

Needs a Docker Engine for the peers (`make engine-up`).
"""

import json
import os
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from bench.measure import COUNT, MLIMAGE, Run, alternate, own, pair, timed
from bench.peer import Peer
from bench.plain import Plain

TITLES: Final = {
    "cold": "cold, base included",
    "one_wheel_changed": "one small wheel changed",
    "unchanged": "nothing changed",
    "docker_cold": "docker engine, cold, loaded",
    "docker_unchanged": "docker engine, nothing changed",
    "docker_load_changed": "into Docker, one wheel changed",
    "help": "mlimage --help",
}
PROJECT = Path(__file__).with_name("project")


class Bench:
    """A copy of the benchmark's project, and a cache that holds the wheels and debs."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.project = folder / "project"
        self.cache = cache
        shutil.copytree(PROJECT, self.project)

    def mlimage(self, *arguments: str) -> Run:
        """Run mlimage in the project."""
        return timed([MLIMAGE, *arguments], env={"MLIMAGE_CACHE": str(self.cache)}, cwd=self.project)

    def forget(self, *, inputs: bool = False) -> None:
        """Empty the cache, but for the fetched files."""
        for child in self.cache.iterdir():
            if inputs or child.name not in ("inputs", "metadata"):
                shutil.rmtree(child)

    def cold(self) -> Run:
        """A build with the wheels and debs on the disk and nothing else."""
        self.forget()
        return self.mlimage("build", "--no-check", "bench-torch", "--json")

    def docker_cold(self) -> Run:
        """The docker engine from nothing but wheels and debs, with the image in Docker at its end."""
        self.forget()
        _forget_in_docker("bench-torch:cpu")
        return self.mlimage(
            "build", "--no-check", "bench-torch", "--engine", "docker", "--no-cache", "--json"
        )

    def docker_unchanged(self) -> Run:
        """The docker engine, after the build before."""
        return self.mlimage("build", "--no-check", "bench-torch", "--engine", "docker", "--json")

    def docker_changed(self) -> Run:
        """The other image, of which Docker lacks one small wheel, into Docker."""
        _forget_in_docker("bench-torch-changed:cpu")
        return self.mlimage("build", "--no-check", "bench-torch-changed", "--load", "--json")

    def changed(self) -> Run:
        """A build after one small wheel changed: the layer of the other image's joblib is forgotten first."""
        self.mlimage("build", "--no-check", "bench-torch", "--json")
        for layer in _layers(self.mlimage("build", "--no-check", "bench-torch-changed", "--json")):
            if layer["name"] == "joblib":
                (self.cache / "layers" / f"{layer['key'].removeprefix('sha256:')}.json").unlink()
        return self.mlimage("build", "--no-check", "bench-torch-changed", "--json")


def measure() -> dict[str, Any]:
    """The medians, and what of an image is new after a change."""
    with tempfile.TemporaryDirectory(prefix="mlimage-bench-") as scratch:
        bench = Bench(Path(scratch), cache_of_wheels())
        print("locking and fetching (not measured) …", flush=True)
        bench.mlimage("lock")
        bench.mlimage("build", "--no-check", "bench-torch-changed")
        first = _layers(bench.mlimage("build", "--no-check", "bench-torch", "--json"))
        peer = _peer(bench, first, Path(scratch) / "peer")
        print("building in turn with the peer …", flush=True)
        cold, theirs, changed, theirs_changed = alternate(
            COUNT,
            bench.cold,
            lambda: peer.cold("bench-torch"),
            bench.changed,
            lambda: peer.cold("bench-torch-changed"),  # one layer has all packages, so nothing of it is left
        )
        again, theirs_again = alternate(
            2 * COUNT,
            lambda: bench.mlimage("build", "--no-check", "bench-torch-changed", "--json"),
            lambda: peer.again("bench-torch-changed"),
        )
        print("building through Docker, in turn with its own build …", flush=True)
        bench.mlimage("render")
        bench.mlimage("build", "--no-check", "bench-torch")
        plain = Plain(bench.project, "bench-torch", bench.cache, Path(scratch) / "plain")
        docker, theirs_plain = alternate(COUNT, bench.docker_cold, plain.cold)
        docker_again = [bench.docker_unchanged() for _ in range(2 * COUNT)]
        docker_changed = [bench.docker_changed() for _ in range(COUNT)]
        helped = [timed([MLIMAGE, "--help"]) for _ in range(2 * COUNT)]
        return {
            **_result(cold, theirs, again, theirs_again, changed, theirs_changed, helped),
            "docker_cold": pair(docker, theirs_plain),
            "docker_unchanged": own(docker_again),
            "docker_load_changed": {**own(docker_changed), **_moved(docker_changed[-1])},
        }


def cache_of_wheels() -> Path:
    """A cache that stays between benchmarks."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cache = base / "mlimage-bench"
    cache.mkdir(parents=True, exist_ok=True)
    return cache


def _layers(run: Run) -> list[dict[str, Any]]:
    layers: list[dict[str, Any]] = json.loads(run.stdout)[0]["layers"]
    return layers


def _peer(bench: Bench, layers: list[dict[str, Any]], folder: Path) -> Peer:
    base = layers[0]["digest"].removeprefix("sha256:")
    return Peer(
        folder,
        base_layer=bench.cache / "store" / "blobs" / "sha256" / base,
        wheels={image: _locked(bench, image) for image in ("bench-torch", "bench-torch-changed")},
        app=bench.project / "images" / "bench-torch" / "app",
    )


def _locked(bench: Bench, image: str) -> tuple[list[tuple[str, Path]], str]:
    """The wheels of an image's lock, by file name, and the lock as pip reads it."""
    lock = bench.project / "lockfiles" / image
    packages = tomllib.loads((lock / "cpu.toml").read_text())["package"]
    inputs = bench.cache / "inputs" / "sha256"
    return [(each["file"], _input(inputs, each["sha256"])) for each in packages], (
        lock / "cpu.txt"
    ).read_text()


def _input(inputs: Path, digest: str) -> Path:
    digits = digest.removeprefix("sha256:")
    return inputs / digits[:2] / digits


def _result(
    cold: list[Run],
    theirs: list[Run],
    again: list[Run],
    theirs_again: list[Run],
    changed: list[Run],
    theirs_changed: list[Run],
    helped: list[Run],
) -> dict[str, Any]:
    joblib = next(layer for layer in _layers(changed[-1]) if layer["name"] == "joblib")
    new = sum(layer["size"] for layer in _layers(changed[-1]) if layer["made"])
    return {
        "image": {
            "layers": len(_layers(cold[-1])),
            "packed_bytes": sum(layer["size"] for layer in _layers(cold[-1])),
            "bytes": sum(layer["uncompressed_size"] for layer in _layers(cold[-1])),
        },
        "cold": pair(cold, theirs),
        "unchanged": pair(again, theirs_again),
        "one_wheel_changed": {
            **pair(changed, theirs_changed),
            "new_bytes": new,
            "wheel_layer_bytes": joblib["size"],
        },
        "help": own(helped),
    }


def _forget_in_docker(image: str) -> None:
    subprocess.run(["docker", "image", "rm", "-f", image], check=False, capture_output=True)


def _moved(run: Run) -> dict[str, int]:
    """Bytes that went to Docker, of those that the image has."""
    [built] = json.loads(run.stdout)
    return {"moved_bytes": built["loaded"]["moved"], "packed_bytes": sum(x["size"] for x in built["layers"])}


def remarks(result: Mapping[str, Any]) -> tuple[str, ...]:
    """What the table does not say."""
    load, change = result["docker_load_changed"], result["one_wheel_changed"]
    return (
        "peers: buildx with uv; for the docker engine buildx of the rendered Dockerfile, with pip",
        f"bytes into Docker after the change: {load['moved_bytes']:,} of {load['packed_bytes']:,}",
        f"new bytes after the change: {change['new_bytes']:,}",
        f"bytes of that wheel's layer: {change['wheel_layer_bytes']:,}",
    )
