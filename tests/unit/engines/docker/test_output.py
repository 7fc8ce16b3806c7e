"""OCI layout folders as BuildKit writes them, and others."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from mlimage.engines.docker.output import OutputLayer, entries_of, read_output
from mlimage.errors import BuildError
from mlimage.oci.model import LAYER
from support.layouts import folder, hard_link, member, symlink, tar, write_layout

LAYERS = [
    ("base", tar([member("etc/base", b"1")])),
    ("COPY a\tb /c   # buildkit", tar([member("etc/first", b"2")])),
    ("RUN |2 A=b C=d e /bin/sh -c set -eu\nx\n # buildkit", tar([member("etc/second", b"3")])),
]


@pytest.mark.parametrize("nested", [False, True])
def test_the_layers_above_the_base_with_their_instructions(tmp_path: Path, *, nested: bool) -> None:
    layers = read_output(write_layout(tmp_path, LAYERS, nested=nested), below=1)
    assert [layer.instruction for layer in layers] == [
        "COPY a b /c # buildkit",
        "RUN /bin/sh -c set -eu x # buildkit",
    ]
    assert [layer.tar.read_bytes() for layer in layers] == [content for _, content in LAYERS[1:]]


def in_zstd(content: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=1).compress(content)


def test_layers_in_zstd_are_unpacked(tmp_path: Path) -> None:
    packed = [(instruction, in_zstd(content)) for instruction, content in LAYERS]
    layers = read_output(write_layout(tmp_path, packed, media_type=f"{LAYER}+zstd"), below=1)
    assert [layer.tar.read_bytes() for layer in layers] == [content for _, content in LAYERS[1:]]


def test_a_damaged_layer_in_zstd(tmp_path: Path) -> None:
    where = write_layout(tmp_path, [("RUN x", b"no zstd at all")], media_type=f"{LAYER}+zstd")
    with pytest.raises(BuildError) as caught:
        read_output(where, below=0)
    assert caught.value.message.startswith(
        "BuildKit gave something that is no OCI layout as mlimage knows it: "
    )


def test_other_layers_must_be_plain(tmp_path: Path) -> None:
    where = write_layout(tmp_path, LAYERS, media_type="application/vnd.oci.image.layer.v1.tar+gzip")
    assert read_output(where, below=3) == ()
    with pytest.raises(BuildError) as caught:
        read_output(where, below=2)
    assert caught.value.message == (
        "BuildKit gave something that is no OCI layout as mlimage knows it: "
        "a layer is application/vnd.oci.image.layer.v1.tar+gzip"
    )


def index(where: Path, manifests: list[object]) -> None:
    (where / "index.json").write_text(json.dumps({"manifests": manifests}))


def manifest(where: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest in its place: nobody checks digests of what BuildKit has just written."""
    digest = json.loads((where / "index.json").read_bytes())["manifests"][0]["digest"]
    path = where / "blobs/sha256" / digest.partition(":")[2]
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))


def without_layer(where: Path) -> None:
    manifest(where, lambda document: document["layers"].pop())


def without_blobs(where: Path) -> None:
    for path in (where / "blobs/sha256").iterdir():
        if path.read_bytes() == LAYERS[1][1]:
            path.unlink()


def without_history(where: Path) -> None:
    manifest(where, lambda document: document.pop("config"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without_layer, "zip() argument 2 is shorter than argument 1"),
        (without_history, "'config'"),
        (lambda where: index(where, []), "list index out of range"),
        (lambda where: index(where, [{"digest": "sha256:../../x"}]), "not a sha256 digest: 'sha256:../../x'"),
        (
            lambda where: (where / "index.json").write_text("[]"),
            "list indices must be integers or slices, not str",
        ),
    ],
)
def test_what_is_no_layout(change: Callable[[Path], object], said: str, tmp_path: Path) -> None:
    where = write_layout(tmp_path, LAYERS)
    change(where)
    with pytest.raises(BuildError) as caught:
        read_output(where, below=0)
    assert (caught.value.message, caught.value.hint) == (
        f"BuildKit gave something that is no OCI layout as mlimage knows it: {said}",
        "which `docker buildx version` and `docker version` are these?",
    )


def test_a_layer_that_is_not_there(tmp_path: Path) -> None:
    where = write_layout(tmp_path, LAYERS)
    without_blobs(where)
    with pytest.raises(BuildError, match="no OCI layout as mlimage knows it: there is no sha256:"):
        read_output(where, below=1)


def test_entries_read_their_bytes_from_where_they_lie(tmp_path: Path) -> None:
    path = tmp_path / "tar"
    path.write_bytes(
        tar([
            folder("a", mode=0o700),
            member("a/empty"),
            member("a/" + "long" * 40, b"x" * 700, mode=0o4755),
            symlink("a/link", "b" * 120),
            hard_link("a/twin", "a/empty"),
            member("größe", "ß".encode()),
        ])
    )  # fmt: skip
    found = list(entries_of(OutputLayer(instruction="RUN x", tar=path)))
    assert [member.path for member, entry in found if entry is None] == ["a/twin"]
    entries = [entry for _, entry in found if entry is not None]
    assert [(entry.path, entry.mode, entry.target, entry.origin) for entry in entries] == [
        ("a", 0o700, "", "RUN x"),
        ("a/empty", 0o644, "", "RUN x"),
        ("a/" + "long" * 40, 0o4755, "", "RUN x"),
        ("a/link", 0o777, "b" * 120, "RUN x"),
        ("größe", 0o644, "", "RUN x"),
    ]
    read = []
    for entry in entries:
        if entry.open is not None:
            with entry.open() as stream:
                read.append(stream.read())
    assert read == [b"", b"x" * 700, "ß".encode()]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (tar([member("a", b"x" * 5000)])[:1024], "the archive ends in the middle of a file"),
        (tar([member("a", b"x")])[:300], "the archive ends too early"),
        (b"x" * 512, "no octal number in a header: b'xxxxxxxxxxxx'"),
    ],
)
def test_a_damaged_layer(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "tar").write_bytes(content)
    with pytest.raises(BuildError) as caught:
        list(entries_of(OutputLayer(instruction="RUN x", tar=tmp_path / "tar")))
    assert str(caught.value) == f"BuildKit gave a damaged layer of `RUN x`: {said}"
