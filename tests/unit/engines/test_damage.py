"""A byte of a stored layer that flips: the next build notices it, at the cost of a look, and mends it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mlimage.errors import BuildError, MlimageWarning
from mlimage.oci.archive import write_output
from mlimage.oci.model import LayerBlob
from mlimage.oci.unpack import unpacked
from support.tinyproject import Project


def flip(path: Path, *, rots: bool = False) -> None:
    """Change a byte in the middle; one that rots on the disk leaves the file's time as it was."""
    times = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    if rots:
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def layer_of(project: Project, name: str) -> LayerBlob:
    return next(layer.blob for layer in project.build().layers if layer.layer.name == name)


@pytest.mark.parametrize("name", ["base", "app"])
def test_a_build_makes_a_damaged_layer_anew(name: str, project: Project) -> None:
    layer, image = layer_of(project, name), project.build().image
    path = project.store.blob(layer.blob.digest)
    assert project.made() == []
    flip(path)
    with pytest.warns(MlimageWarning) as heard:
        assert project.made() == [name]
    assert [str(each.message) for each in heard] == [
        f"layer `{name}` in the store is damaged: {layer.blob.digest}; it is built or pulled again"
    ]
    assert project.build().image == image
    assert project.made() == []


def test_what_only_a_copy_changed_is_read_once(project: Project) -> None:
    """A cache that was restored by a tool that keeps whole seconds is sound, and soon said to be."""
    path = project.store.blob(layer_of(project, "app").blob.digest)
    good = path.stat().st_mtime_ns
    os.utime(path, ns=(0, good // 10**9 * 10**9))
    assert project.made() == []
    assert path.stat().st_mtime_ns == good


@pytest.mark.parametrize("way", ["output", "unpack"])
def test_what_rots_unseen_is_found_on_the_way_out_and_mended_by_a_build(
    way: str, project: Project, tmp_path: Path
) -> None:
    layer, image = layer_of(project, "app"), project.build().image
    path = project.store.blob(layer.blob.digest)
    flip(path, rots=True)
    assert project.made() == [], "nobody read it"
    leaves: dict[str, Callable[[], object]] = {
        "output": lambda: write_output(image, project.store, f"oci:{tmp_path}/out"),
        "unpack": lambda: unpacked(image, project.store, project.cache),
    }
    with pytest.raises(BuildError) as caught:
        leaves[way]()
    assert str(caught.value) == f"layer `app` in the store is damaged: {layer.blob.digest}"
    assert caught.value.hint == "it is deleted: build the image again, or pull it again"
    assert project.made() == ["app"]
    leaves[way]()
