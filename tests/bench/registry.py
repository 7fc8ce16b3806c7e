"""How long pushes and pulls take, against skopeo in turn, with a registry of its own on the loopback.

Needs Debian's `docker-registry` and `skopeo` (`make engine-up` brings them).
"""

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Final

from bench.build import PROJECT, cache_of_wheels
from bench.measure import COUNT, MLIMAGE, Run, alternate, own, pair, timed
from support.registries import own_registry

TITLES: Final = {
    "push": "push to an empty repository",
    "push_changed": "push again, the application changed",
    "pull": "pull to an empty store",
    "fresh": "build --push, nothing here, app changed",
}
_IMAGE: Final = "bench-torch"
_SKOPEO: Final = ("skopeo", "--insecure-policy", "copy", "--quiet")
_CHANGES: Final = count()


class Machine:
    """A copy of the benchmark's project, and a cache that starts with the fetched wheels or with nothing."""

    def __init__(self, folder: Path, project: Path, cache: Path) -> None:
        self.project = folder / "project"
        self.cache = cache
        shutil.copytree(project, self.project)

    def mlimage(self, *arguments: str) -> Run:
        """Run mlimage in the project."""
        return timed([MLIMAGE, *arguments], env={"MLIMAGE_CACHE": str(self.cache)}, cwd=self.project)

    def change(self) -> None:
        """Another application than ever before."""
        with (self.project / "images" / _IMAGE / "app" / "serve.py").open("a") as file:
            file.write(f"# change {next(_CHANGES)}\n")


class Bench:
    """A machine that has built the image."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.builder = Machine(folder / "builder", PROJECT, cache_of_wheels())

    def prepare(self) -> int:
        """Lock, build and record; gives the bytes of the image."""
        self.builder.mlimage("lock", _IMAGE)
        self.builder.mlimage("build", "--no-check", _IMAGE, "--record")
        return sum(layer["size"] for layer in self._build()["layers"])

    def push(self, to: str) -> Run:
        """What the registry lacks of it."""
        return self.builder.mlimage("push", _IMAGE, "--to", to, "--tag", "bench", "--json")

    def push_by_skopeo(self, to: str) -> Run:
        """The same image, from a layout."""
        place = f"docker://{to}/{_IMAGE}:skopeo"
        return timed([*_SKOPEO, "--dest-tls-verify=false", f"oci:{self._layout()}:{_IMAGE}:cpu", place])

    def to_a_new_registry(self, push: Callable[[str], Run]) -> Run:
        """To one that has nothing; skopeo remembers what it pushed, and mounts it from there."""
        with (
            tempfile.TemporaryDirectory(dir=self.folder) as folder,
            own_registry(Path(folder) / "registry") as registry,
        ):
            return push(f"{registry.host}/bench")

    def changed(self, to: str) -> Run:
        """Push what is new after a change of the application."""
        self._changed()
        return self.push(to)

    def changed_by_skopeo(self, to: str) -> Run:
        """The same for another change."""
        self._changed()
        shutil.rmtree(self._layout())
        self.write_layout()
        return self.push_by_skopeo(to)

    def pull(self, to: str) -> Run:
        """Into a store that has nothing."""
        with tempfile.TemporaryDirectory(dir=self.folder) as cache:
            return timed([MLIMAGE, "pull", f"{to}/{_IMAGE}:bench"], env={"MLIMAGE_CACHE": cache})

    def pull_by_skopeo(self, to: str) -> Run:
        """Into a layout that has nothing."""
        with tempfile.TemporaryDirectory(dir=self.folder) as layout:
            place = f"docker://{to}/{_IMAGE}:bench"
            return timed([*_SKOPEO, "--src-tls-verify=false", place, f"oci:{layout}/layout:image"])

    def fresh(self, to: str) -> Run:
        """A machine that has the project and nothing else builds a changed application, and pushes."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            machine = Machine(Path(folder), self.builder.project, Path(folder) / "cache")
            machine.change()
            return machine.mlimage("build", "--no-check", _IMAGE, "--push", "--to", to, "--json")

    def _changed(self) -> None:
        self.builder.change()
        self._build()

    def _build(self) -> dict[str, Any]:
        [built] = json.loads(self.builder.mlimage("build", "--no-check", _IMAGE, "--json").stdout)
        return dict(built)

    def _layout(self) -> Path:
        return self.folder / "layout"

    def write_layout(self) -> None:
        """What skopeo pushes."""
        self.builder.mlimage("build", "--no-check", _IMAGE, "--output", f"oci:{self._layout()}")


def measure() -> dict[str, Any]:
    """Seconds, and what was sent."""
    with (
        tempfile.TemporaryDirectory(prefix="mlimage-bench-") as scratch,
        own_registry(Path(scratch) / "registry") as registry,
    ):
        bench = Bench(Path(scratch))
        print("locking, fetching and building (not measured) …", flush=True)
        size = bench.prepare()
        bench.write_layout()
        print("pushing and pulling in turn with skopeo …", flush=True)
        push, theirs = alternate(
            COUNT,
            lambda: bench.to_a_new_registry(bench.push),
            lambda: bench.to_a_new_registry(bench.push_by_skopeo),
        )
        to = f"{registry.host}/bench"
        bench.push(to)
        pull, theirs_pull = alternate(COUNT, lambda: bench.pull(to), lambda: bench.pull_by_skopeo(to))
        fresh = [bench.fresh(to) for _ in range(COUNT)]
        changed, theirs_changed = alternate(
            COUNT, lambda: bench.changed(to), lambda: bench.changed_by_skopeo(to)
        )
        return {
            "image": {"packed_bytes": size},
            "push": pair(push, theirs),
            "push_changed": {**pair(changed, theirs_changed), "sent_bytes": _sent(changed[-1])},
            "pull": pair(pull, theirs_pull),
            "fresh": {**own(fresh), "sent_bytes": _sent(fresh[-1], "pushed")},
        }


def _sent(run: Run, key: str | None = None) -> int:
    said = json.loads(run.stdout)
    [pushed] = said[key] if key else said
    return int(pushed["bytes"]["sent"])


def remarks(result: Mapping[str, Any]) -> Sequence[str]:
    """What the table does not say."""
    return (
        "peer: skopeo copy, from and to a layout",
        f"bytes of the image: {result['image']['packed_bytes']:,}",
        f"bytes sent after the change: {result['push_changed']['sent_bytes']:,}",
        f"bytes sent from a machine with nothing: {result['fresh']['sent_bytes']:,}",
    )
