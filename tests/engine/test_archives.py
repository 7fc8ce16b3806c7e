"""What mlimage writes is taken, and run, by the programs that it is written for."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlimage.content.entry import Entry, directory, file_of_bytes, file_of_path, symlink
from mlimage.oci.archive import docker_archive_stream, write_output
from mlimage.oci.model import SealedImage
from mlimage.oci.reference import resolve
from mlimage.oci.store import Store
from mlimage.oci.unpack import unpack_image
from support.machine import Engine
from support.programs import program
from support.sealing import sealed
from support.tars import ODD, unpack_with

pytestmark = pytest.mark.engine

SCRIPT = b"#!/bin/sh\necho $(cat /etc/greeting) from $(basename $PWD), user $(id)\n"


def shell() -> Iterator[Entry]:
    """The shell of this machine, two tools and the libraries that they need."""
    programs = {
        "bin/sh": "/bin/sh",
        "bin/cat": "/bin/cat",
        "bin/id": "/usr/bin/id",
        "bin/basename": "/usr/bin/basename",
    }
    libraries: set[str] = set()
    for inside, outside in programs.items():
        yield file_of_path(inside, Path(outside).resolve(), origin="test", mode=0o755)
        libraries |= {word for word in program("ldd", outside).split() if word.startswith("/")}
    for library in sorted(libraries):
        yield file_of_path(library.removeprefix("/"), Path(library).resolve(), origin="test", mode=0o755)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def image(store: Store) -> SealedImage:
    return sealed(
        store,
        image=f"mlimage-test-archive-{os.getpid()}",  # workers share the engines
        base=[
            *shell(),
            file_of_bytes("etc/greeting", b"bonjour", origin="test"),
            symlink("entry", "bin/entry", origin="test"),
        ],
        same=[*shell()],
        app=[
            directory("app", origin="test", uid=65532, gid=65532),
            file_of_bytes("bin/entry", SCRIPT, origin="test", mode=0o755),
            file_of_bytes("etc/greeting", b"hello", origin="test"),
            file_of_bytes("app/" + "n" * 150 + "/größe", b"x", origin="test"),
        ],
    )


def check_docker_runs(engine: Engine, image: SealedImage) -> None:
    try:
        (found,) = json.loads(program("docker", "image", "inspect", image.name, environ=engine.environ))
        assert found["Id"] in {image.digest, image.image_id}
        assert found["RootFS"]["Layers"] == [layer.diff_id for layer in image.layers]
        said = program("docker", "run", "--rm", "--network", "none", image.name, environ=engine.environ)
        assert said == "hello from app, user uid=65532 gid=0 groups=0\n"
    finally:
        program("docker", "image", "rm", image.name, environ=engine.environ)


def test_docker_loads_and_runs_the_archive(
    engine: Engine, store: Store, image: SealedImage, tmp_path: Path
) -> None:
    write_output(image, store, f"docker-archive:{tmp_path}/image.tar")
    said = program("docker", "load", "--input", tmp_path / "image.tar", environ=engine.environ)
    assert f"Loaded image: {image.name}" in said
    check_docker_runs(engine, image)


def test_docker_loads_and_runs_the_stream(engine: Engine, store: Store, image: SealedImage) -> None:
    program("docker", "load", stdin=b"".join(docker_archive_stream(image, store)), environ=engine.environ)
    check_docker_runs(engine, image)


def test_docker_keeps_the_digest_of_what_it_loads(engine: Engine, store: Store, image: SealedImage) -> None:
    program("docker", "load", stdin=b"".join(docker_archive_stream(image, store)), environ=engine.environ)
    (found,) = json.loads(program("docker", "image", "inspect", image.name, environ=engine.environ))
    program("docker", "image", "rm", image.name, environ=engine.environ)
    assert found["Id"] == image.digest


@pytest.mark.parametrize("kind", ["oci", "oci-archive", "docker-archive"])
def test_skopeo_reads_and_copies(kind: str, store: Store, image: SealedImage, tmp_path: Path) -> None:
    write_output(image, store, f"{kind}:{tmp_path}/out")
    source = f"{kind}:{tmp_path}/out:{image.name}"
    found = json.loads(program("skopeo", "inspect", source))
    assert found["Created"] == "2026-05-04T03:02:01Z"
    assert found["Env"] == ["PATH=/usr/bin:/bin", "LANG=C.UTF-8"]
    config = program("skopeo", "inspect", "--config", "--raw", source)
    assert config == store.read(image.config).decode()
    if kind != "docker-archive":
        assert found["Digest"] == image.digest
        assert found["Layers"] == [layer.blob.digest for layer in image.layers]
        program(
            "skopeo",
            "--insecure-policy",
            "copy",
            "--preserve-digests",
            source,
            f"oci:{tmp_path}/copy:{image.name}",
        )
        assert resolve(Store(tmp_path / "copy"), image.name).digest == image.digest


def test_umoci_unpacks_the_same_files(store: Store, image: SealedImage, tmp_path: Path) -> None:
    write_output(image, store, f"oci:{tmp_path}/out")
    rootless = [] if os.geteuid() == 0 else ["--rootless"]
    program("umoci", "unpack", *rootless, "--image", f"{tmp_path}/out:{image.name}", tmp_path / "bundle")
    (tmp_path / "root").mkdir()
    unpack_image(image, store, tmp_path / "root")
    assert tree(tmp_path / "root") == tree(tmp_path / "bundle/rootfs")


def tree(folder: Path) -> list[tuple[str, int, int, int, float, bytes | str]]:
    """All that can be told about the files in a folder."""
    found = []
    for path in sorted(folder.rglob("*")):
        state = path.lstat()
        content: bytes | str = ""
        if path.is_symlink():
            content = str(path.readlink())
        elif path.is_file():
            content = path.read_bytes()
        found.append(
            (
                str(path.relative_to(folder)),
                state.st_mode,
                state.st_uid,
                state.st_gid,
                state.st_mtime,
                content,
            )
        )
    return found


def test_bsdtar_unpacks_what_is_written(tmp_path: Path) -> None:
    unpack_with("bsdtar", ODD, tmp_path)
