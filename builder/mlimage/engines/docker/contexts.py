"""What is handed to BuildKit: the base, the wheels, pip, and mlimage's runtime, each as a named context."""

import os
import shutil
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from mlimage.content.entry import Entry
from mlimage.content.unpack import write_entries
from mlimage.digest import canonical_json
from mlimage.errors import BuildError
from mlimage.lock.model import Deb, ImageBase, LockedPackage
from mlimage.oci.config import descriptor_json, rfc3339
from mlimage.oci.model import CONFIG, MANIFEST, LayerBlob
from mlimage.oci.store import Store
from mlimage.plan.model import BuildPlan
from mlimage.render.instructions import DEBS, PIP, RUNTIME, WHEELS

BASE: Final = "base"


def base_context(plan: BuildPlan, layers: Sequence[LayerBlob], store: Store) -> str:
    """The base as an image of its own in the store, which is an OCI layout; returns its place for buildx."""
    created = rfc3339(plan.created)
    env = plan.base.env if isinstance(plan.base, ImageBase) else ()
    config = store.put(
        canonical_json(
            {
                "architecture": plan.platform.architecture,
                "os": plan.platform.os,
                "config": {"Env": [f"{name}={value}" for name, value in env]},
                "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
                "history": [{"created": created, "created_by": f"mlimage {layer.name}"} for layer in layers],
            }
        ),
        CONFIG,
    )
    manifest = store.put(
        canonical_json(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": descriptor_json(config),
                "layers": [descriptor_json(layer.blob) for layer in layers],
            }
        ),
        MANIFEST,
    )
    store.ready()
    return f"oci-layout://{store.folder.absolute()}@{manifest.digest}"


def wheels_context(wheels: Iterable[tuple[LockedPackage, Path]], folder: Path) -> Path:
    """The verified wheels under their own names; as links to the files of the cache, where that can be."""
    place = folder / WHEELS.strip("/")
    place.mkdir(parents=True)
    for package, path in wheels:
        _link(path, place / package.file)
    return folder


def debs_context(debs: Iterable[tuple[Deb, Path]], folder: Path) -> Path:
    """The verified Debian packages under their own names."""
    place = folder / DEBS.strip("/")
    place.mkdir(parents=True)
    for deb, path in debs:
        _link(path, place / deb.path.rpartition("/")[2])
    return folder


def pip_context(folder: Path) -> Path:
    """The package pip of mlimage's own environment, which is the one that it was tested with.

    Raises:
        BuildError: it is not there.
    """
    spec = find_spec("pip")
    if spec is None or spec.origin is None:
        raise BuildError("`pip`, which installs packages, is not installed", hint="install mlimage again")
    source = Path(spec.origin).parent
    shutil.copytree(
        source, folder / PIP.strip("/") / "pip", ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
    )
    return folder


def runtime_context(entries: Iterable[Entry], folder: Path) -> Path:
    """The files of the runtime layer."""
    place = folder / RUNTIME.strip("/")
    place.mkdir(parents=True)
    write_entries(tuple(entries), place)
    return folder


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
