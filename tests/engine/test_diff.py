"""An image is held against what other programs make of it on its way through them."""

import gzip
import json
from pathlib import Path

import pytest

from mlimage.content.entry import directory, file_of_bytes, symlink
from mlimage.oci.archive import write_output
from mlimage.oci.found import FoundImage, in_store
from mlimage.oci.model import SealedImage
from mlimage.oci.places import find_image
from mlimage.oci.store import Store
from mlimage.verify.diff.compare import compare_images
from mlimage.verify.diff.explain import explain
from support.programs import program
from support.sealing import sealed

pytestmark = pytest.mark.engine


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def image(store: Store) -> SealedImage:
    return sealed(
        store,
        image="mlimage-test-diff",
        base=[
            file_of_bytes("etc/greeting", b"bonjour", origin="test"),
            directory("home", origin="test", mode=0o700, uid=65532, gid=65532),
            symlink("lib", "usr/lib", origin="test"),
        ],
        app=[file_of_bytes("app/größe", b"x" * 100_000, origin="test", mode=0o755)],
    )


def loaded_and_saved(image: SealedImage, store: Store, folder: Path) -> FoundImage:
    """The image after `docker load` and `docker save`."""
    write_output(image, store, f"docker-archive:{folder}/loaded.tar")
    program("docker", "load", "--input", folder / "loaded.tar")
    try:
        program("docker", "save", "--output", folder / "saved.tar", image.name)
    finally:
        program("docker", "image", "rm", image.name)
    return find_image(f"docker-archive:{folder}/saved.tar:{image.name}", store)


def test_docker_gives_back_what_it_got(
    docker_host: str, store: Store, image: SealedImage, tmp_path: Path
) -> None:
    diff = compare_images(in_store(image, store), loaded_and_saved(image, store, tmp_path), deep=True)
    assert explain(diff).startswith(f"identical: both are {image.image_id}")
    assert (diff.config, diff.packages, diff.files) == ((), (), ())
    assert [layer.status for layer in diff.layers] == ["same", "same"]


def test_what_docker_builds_on_top(
    docker_host: str, store: Store, image: SealedImage, tmp_path: Path
) -> None:
    write_output(image, store, f"docker-archive:{tmp_path}/loaded.tar")
    (tmp_path / "context").mkdir()
    (tmp_path / "context/greeting").write_bytes(b"bonsoir")
    (tmp_path / "context/Dockerfile").write_text(
        f"FROM {image.name}\nCOPY --chown=7:8 --chmod=600 greeting /etc/greeting\nENV A=1\nWORKDIR /app\n"
    )
    program("docker", "load", "--input", tmp_path / "loaded.tar")
    tag = "mlimage-test-diff:on-top"
    try:
        program("docker", "build", "--quiet", "--provenance=false", "--tag", tag, tmp_path / "context")
        program("docker", "save", "--output", tmp_path / "saved.tar", tag)
        program("docker", "image", "rm", tag)
    finally:
        program("docker", "image", "rm", image.name)
    diff = compare_images(
        in_store(image, store), find_image(f"docker-archive:{tmp_path}/saved.tar", store), deep=True
    )
    assert [layer.status for layer in diff.layers][:3] == ["same", "same", "added"]
    assert [(value.key, value.name) for value in diff.config if value.key == "Env"] == [("Env", "A")]
    (change,) = (change for change in diff.files if change.path == "/etc/greeting")
    assert change.parts == ("mode", "owner", "content", "mtime")
    assert change.bytes is not None
    assert (change.bytes.offset, change.bytes.end) == (3, 4)


@pytest.mark.parametrize("kind", ["docker-archive", "oci-archive", "oci"])
def test_skopeo_copies(kind: str, store: Store, image: SealedImage, tmp_path: Path) -> None:
    """To an archive of Docker it writes no layout, and its layers are not compressed."""
    write_output(image, store, f"oci:{tmp_path}/out")
    target = f"{kind}:{tmp_path}/copy:{image.name}"
    program("skopeo", "--insecure-policy", "copy", f"oci:{tmp_path}/out:{image.name}", target)
    found = find_image(target, store)
    assert (found.digest is None) == (kind == "docker-archive")
    diff = compare_images(in_store(image, store), found)
    assert explain(diff).startswith(f"identical: both are {image.image_id}")


def test_layers_of_umoci(store: Store, image: SealedImage, tmp_path: Path) -> None:
    write_output(image, store, f"oci:{tmp_path}/out")
    layer = tmp_path / "more.tar"
    layer.write_bytes(gzip.decompress(store.blob(image.layers[1].blob.digest).read_bytes()))
    program("umoci", "raw", "add-layer", "--image", f"{tmp_path}/out:{image.name}", "--tag", "more", layer)
    diff = compare_images(in_store(image, store), find_image(f"oci:{tmp_path}/out:more", store))
    assert [layer.status for layer in diff.layers] == ["same", "same", "added"]
    assert diff.files == ()
    assert json.dumps([value.name for value in diff.config if value.key == "history"]) == '["2"]'
