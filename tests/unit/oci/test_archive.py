import io
import json
import tarfile
from pathlib import Path

import pytest

from mlimage.content.entry import file_of_bytes
from mlimage.errors import BuildError, UsageError
from mlimage.oci.archive import archive_size, docker_archive_stream, parse_output, write_output
from mlimage.oci.model import SealedImage
from mlimage.oci.store import Store
from support.sealing import sealed


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def image(store: Store) -> SealedImage:
    same = [file_of_bytes("x", bytes(3_000_000), origin="test")]
    return sealed(store, base=same, again=same, app=[file_of_bytes("y", b"1", origin="test")])


def test_a_folder_holds_the_image_and_takes_more(store: Store, image: SealedImage, tmp_path: Path) -> None:
    write_output(image, store, f"oci:{tmp_path}/out")
    other = sealed(store, image="other", app=[])
    (tmp_path / "empty").mkdir()
    write_output(other, store, f"oci:{tmp_path}/out")
    write_output(other, store, f"oci:{tmp_path}/empty")
    assert Store(tmp_path / "out").images() == (image, other)
    assert Store(tmp_path / "empty").images() == (other,)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["blobs", "index.json", "oci-layout"]


def test_a_folder_of_something_else_is_let_be(store: Store, image: SealedImage, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("")
    with pytest.raises(UsageError) as caught:
        write_output(image, store, f"oci:{tmp_path}/mine")
    assert str(caught.value) == f"`{tmp_path}/mine` is not empty, and no OCI layout"
    with pytest.raises(UsageError) as caught:
        write_output(image, store, f"oci:{tmp_path}/mine/thesis.txt")
    assert str(caught.value) == f"`{tmp_path}/mine/thesis.txt` is no folder"
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("kind", ["oci-archive", "docker-archive"])
def test_archives_have_equal_bytes_and_all_blobs(
    kind: str, store: Store, image: SealedImage, tmp_path: Path
) -> None:
    done: list[int] = []
    for name in ("1.tar", "2.tar"):
        write_output(image, store, f"{kind}:{tmp_path}/{name}", advance=done.append)
    content = (tmp_path / "1.tar").read_bytes()
    assert content == (tmp_path / "2.tar").read_bytes()
    assert sum(done) == 2 * len(content)
    assert archive_size(image) < len(content)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for layer in image.layers:
            stream = archive.extractfile(f"blobs/sha256/{layer.blob.digest.hex}")
            assert stream is not None
            assert stream.read() == store.blob(layer.blob.digest).read_bytes()


def test_what_docker_reads(store: Store, image: SealedImage) -> None:
    with tarfile.open(fileobj=io.BytesIO(b"".join(docker_archive_stream(image, store)))) as archive:
        listing, index = (
            json.load(archive.extractfile(name) or io.BytesIO()) for name in ("manifest.json", "index.json")
        )
    assert listing == [
        {
            "Config": f"blobs/sha256/{image.config.digest.hex}",
            "RepoTags": ["demo:cpu"],
            "Layers": [f"blobs/sha256/{layer.blob.digest.hex}" for layer in image.layers],
        }
    ]
    assert index["manifests"][0]["annotations"] == {
        "io.containerd.image.name": "docker.io/library/demo:cpu",
        "org.opencontainers.image.ref.name": "cpu",
    }


def test_standard_output(store: Store, image: SealedImage, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    write_output(image, store, "docker-archive:-")
    assert capfdbinary.readouterr().out == b"".join(docker_archive_stream(image, store))


@pytest.mark.parametrize("spec", ["oci", "oci:", "tar:x", "", ":x", "OCI:x"])
def test_no_output(spec: str, store: Store, image: SealedImage) -> None:
    with pytest.raises(UsageError) as caught:
        write_output(image, store, spec)
    assert str(caught.value) == f"no output `{spec}`"
    assert caught.value.hint == "write `oci:DIR`, `oci-archive:FILE` or `docker-archive:FILE`"


@pytest.mark.parametrize(
    ("spec", "message", "hint"),
    [
        ("oci:-", "a folder is not for standard output", "write `oci-archive:-`"),
        ("oci-archive:-", None, None),
        ("docker-archive:mine", "`mine` is a folder", "write `docker-archive:FILE`, or `oci:DIR`"),
    ],
)
def test_outputs_that_cannot_be_are_refused_before_a_build(
    spec: str, message: str | None, hint: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("mine", "-"):
        (tmp_path / name).mkdir()
    if message is None:
        assert parse_output(spec) == tuple(spec.split(":"))
        return
    with pytest.raises(UsageError) as caught:
        parse_output(spec)
    assert (str(caught.value), caught.value.hint) == (message, hint)


@pytest.mark.parametrize("kind", ["oci", "oci-archive", "docker-archive"])
def test_a_damaged_or_missing_blob_is_never_handed_on(
    kind: str, store: Store, image: SealedImage, tmp_path: Path
) -> None:
    path = store.blob(image.layers[0].blob.digest)
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    before = b"what was there"
    out = tmp_path / "out"
    if kind != "oci":
        out.write_bytes(before)
    with pytest.raises(BuildError) as caught:
        write_output(image, store, f"{kind}:{out}")
    layer = image.layers[0]
    assert str(caught.value) == f"layer `{layer.name}` in the store is damaged: {layer.blob.digest}"
    assert caught.value.hint == "it is deleted: build the image again, or pull it again"
    assert not path.exists()
    with pytest.raises(BuildError) as caught:
        write_output(image, store, f"{kind}:{out}")
    assert str(caught.value) == f"the store lacks layer `{layer.name}`: {layer.blob.digest}"
    if kind == "oci":
        assert Store(out).images() == ()
    else:
        assert out.read_bytes() == before
        assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "store"]
