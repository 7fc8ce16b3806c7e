"""The other peer: `docker buildx build --load` of the very Dockerfile that mlimage renders, with its pip."""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.measure import Run, timed
from mlimage.cache import Cache
from mlimage.content.entry import Entry
from mlimage.engines.docker.contexts import base_context, pip_context, runtime_context, wheels_context
from mlimage.engines.own import own_files
from mlimage.lock.model import LockedPackage
from mlimage.lock.text import read_lock
from mlimage.oci.model import LayerBlob
from mlimage.oci.records import LayerRecords
from mlimage.oci.store import Store
from mlimage.plan.decide import plan
from mlimage.plan.model import BaseLayer, BuildPlan, PackageLayer, RuntimeLayer
from mlimage.spec.project import Project
from support.locks import CPU

_IMAGE = "mlimage-bench-plain:latest"


class Plain:
    """Builds with the Docker Engine that the environment names, from a copy of what mlimage hands over.

    Args:
        project: the benchmark's project; the image was built before, so that its base is in the store.
        image: name of the image.
        cache: mlimage's.
        folder: where the contexts go; made here.
    """

    def __init__(self, project: Path, image: str, cache: Path, folder: Path) -> None:
        self._project = project
        self._image = image
        found, kept = Project(project), Cache(cache)
        loaded = found.load(image)
        planned = plan(loaded, read_lock(found.lock_folder(image), CPU))
        base = _base(planned, kept)
        self._contexts = {
            "base": base_context(planned, [base], _store_of(kept, base, folder / "store")),
            "pip": str(pip_context(folder / "pip")),
            "wheels": str(wheels_context(_wheels(planned, kept), folder / "wheels")),
            "runtime": str(runtime_context(_runtime(planned, found.image_folder(image)), folder / "runtime")),
        }

    def cold(self) -> Run:
        """A build that takes nothing from BuildKit's cache, with the image in the engine at its end."""
        subprocess.run(["docker", "image", "rm", "-f", _IMAGE], check=False, capture_output=True)
        return timed(
            [
                "docker", "buildx", "build", "--load", "--provenance=false", "-q", "--no-cache", "-t", _IMAGE,
                *(f"--build-context={name}={place}" for name, place in self._contexts.items()),
                "-f", str(self._project / "images" / self._image / "Dockerfile.cpu"), str(self._project),
            ],
        )  # fmt: skip


def _base(planned: BuildPlan, cache: Cache) -> LayerBlob:
    [layer] = [layer for layer in planned.layers if isinstance(layer, BaseLayer)]
    blob = LayerRecords(cache.layers, Store(cache.store)).get(layer.key)
    if blob is None:
        raise SystemExit("the base was not built before")
    return blob


def _store_of(cache: Cache, base: LayerBlob, folder: Path) -> Store:
    """A store with the base alone, since mlimage's own is emptied between runs."""
    store = Store(folder)
    store.blobs.mkdir(parents=True)
    shutil.copyfile(Store(cache.store).blob(base.blob.digest), store.blob(base.blob.digest))
    return store


def _wheels(planned: BuildPlan, cache: Cache) -> Iterator[tuple[LockedPackage, Path]]:
    for layer in planned.layers:
        if isinstance(layer, PackageLayer):
            yield from ((package, cache.input(package.sha256)) for package in layer.packages)


def _runtime(planned: BuildPlan, folder: Path) -> Sequence[Entry]:
    [layer] = [layer for layer in planned.layers if isinstance(layer, RuntimeLayer)]
    return own_files(layer, planned, folder)
