"""An image of a project as it stands, on a few of this machine's programs in place of what its lock names."""

from collections.abc import Sequence
from dataclasses import replace

from mlimage.content.entry import Entry, arrange, file_of_bytes
from mlimage.engines.own import OwnLayer, own_files
from mlimage.lock.text import read_lock
from mlimage.oci.layer import pack
from mlimage.oci.model import SealedImage
from mlimage.oci.seal import seal
from mlimage.oci.store import Store
from mlimage.plan.decide import plan
from mlimage.plan.model import AppLayer, BaseLayer, BuildPlan, RecipeLayer
from mlimage.spec.project import Project
from support.locks import CPU
from support.running import small_root


def program_file(word: str, script: str) -> Entry:
    """A program of the image, for the shell."""
    return file_of_bytes(f"usr/bin/{word}", f"#!/bin/sh\n{script}\n".encode(), origin="test", mode=0o755)


def standing_image(
    project: Project, name: str, store: Store, *, entry: str, programs: Sequence[Entry] = ()
) -> SealedImage:
    """As `mlimage build` makes it, but for what is below spec, lock and application.

    Args:
        project: has the spec, the lock of the CPU and the application.
        name: of the image.
        store: where it goes, tagged.
        entry: a shell script, the entry point.
        programs: what the image has besides.
    """
    planned = plan(project.load(name), read_lock(project.lock_folder(name), CPU))
    kept = [layer for layer in planned.layers if isinstance(layer, BaseLayer | RecipeLayer | AppLayer)]
    small = replace(planned, layers=tuple(kept), config=replace(planned.config, entrypoint=("/bin/entry",)))
    below = arrange([*small_root(), program_file("entry", entry), *programs])
    blobs = [
        pack(
            _own(layer, planned, project) if isinstance(layer, OwnLayer) else below,
            name=layer.name,
            compression=planned.compression,
            store=store,
            advance=lambda _: None,
        )
        for layer in kept
    ]
    return seal(small, blobs, store, project=project.root)


def _own(layer: OwnLayer, planned: BuildPlan, project: Project) -> tuple[Entry, ...]:
    return own_files(layer, planned, project.image_folder(planned.image))
