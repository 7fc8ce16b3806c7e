"""Documents of registries: which are taken, and what is said of those that are not."""

import json
from typing import Any

import pytest

from mlimage.digest import Digest
from mlimage.oci.configuration import read_configuration
from mlimage.oci.manifests import (
    ACCEPTED,
    Document,
    ManifestError,
    NoPlatformError,
    find_manifest,
    layers_of,
    read,
    read_config,
)
from mlimage.oci.model import LAYER, MANIFEST
from mlimage.oci.read import Manifest
from mlimage.platforms import LINUX_AMD64, Platform
from support.bases import DOCKER_LAYER, Made, image_of, index_of

IMAGE = image_of(b"one", b"two", env=["B=2", "A=1=1", "A=3", "odd"])
DOCKER = image_of(b"one", docker=True)


def document(content: bytes, media_type: str = "") -> Document:
    return Document(content=content, digest=Digest.of(content), media_type=media_type)


def manifest_of(image: Made, media_type: str = "") -> Manifest:
    found = read(document(image.content, media_type))
    assert isinstance(found, Manifest)
    return found


def found(made: Made, platform: Platform) -> Digest:
    """The manifest that is found, of an index or of itself."""
    parts = {part.digest: part for part in made.parts}
    first = document(made.content, made.media_type)
    return find_manifest(first, platform, lambda digest: document(parts[digest].content))[0].digest


def changed(made: Made, **changes: Any) -> bytes:
    return json.dumps(json.loads(made.content) | changes).encode()


def with_layer(**changes: Any) -> bytes:
    document = json.loads(IMAGE.content)
    document["layers"][0] |= changes
    return json.dumps(document).encode()


@pytest.mark.parametrize("image", [IMAGE, DOCKER])
def test_an_image(image: Made) -> None:
    manifest = manifest_of(image, image.media_type)
    config = read_config(image.blobs[manifest.config.digest], LINUX_AMD64)
    layers = layers_of(manifest, config)
    assert [layer.diff_id for layer in layers] == list(image.diff_ids)
    assert [layer.digest for layer in layers] == image.layers
    assert {layer.media_type for layer in layers} == {f"{LAYER}+gzip"}


def test_its_environment() -> None:
    manifest = manifest_of(IMAGE)
    config = read_config(IMAGE.blobs[manifest.config.digest], LINUX_AMD64)
    assert config.variables == (("B", "2"), ("A", "1=1"), ("A", "3"), ("odd", ""))
    assert config.diff_ids == IMAGE.diff_ids


@pytest.mark.parametrize("docker", [False, True])
@pytest.mark.parametrize(
    ("platforms", "platform", "chosen"),
    [
        (["linux/arm64/v8", "linux/amd64"], "linux/amd64", 1),
        (["linux/amd64/v3", "linux/amd64/v1"], "linux/amd64", 1),
        (["linux/arm64/v8", "linux/amd64"], "linux/arm64", 0),
        (["windows/amd64", "linux/amd64", "linux/amd64"], "linux/amd64", 1),
    ],
)
def test_the_platform_of_an_index(platforms: list[str], platform: str, chosen: int, *, docker: bool) -> None:
    images = [image_of(f"{number}".encode()) for number, _ in enumerate(platforms)]
    index = index_of(*zip(platforms, images, strict=True), docker=docker)
    assert found(index, Platform.parse(platform)) == images[chosen].digest


def test_no_such_platform() -> None:
    index = index_of(("linux/amd64/v3", IMAGE), ("linux/arm64", IMAGE), ("unknown/unknown", IMAGE))
    with pytest.raises(NoPlatformError) as caught:
        found(index, LINUX_AMD64)
    assert caught.value.platforms == ("linux/amd64/v3", "linux/arm64")


def test_a_configuration_of_another_platform() -> None:
    image = image_of(b"", architecture="arm64")
    manifest = manifest_of(image)
    with pytest.raises(NoPlatformError) as caught:
        read_config(image.blobs[manifest.config.digest], LINUX_AMD64)
    assert caught.value.platforms == ("linux/arm64",)


UNREAD = "has a manifest that cannot be read:"
NOT_JSON = "the document is not JSON: Expecting property name enclosed in double quotes at line 1 column 2"
NO_CONFIG = "has a configuration that cannot be read:"
DIFF_IDS = '"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": []}'
SCHEMA_1 = "has the form of before 2016 (manifest schema 1), which has no digests of what is in its layers"


@pytest.mark.parametrize(
    ("content", "media_type", "message"),
    [
        (
            b"{",
            MANIFEST,
            f"{UNREAD} {NOT_JSON}",
        ),
        (b"[]", MANIFEST, f"{UNREAD} the document is a list, not an object"),
        (b"{}", "text/html", "is no image: the registry calls it `text/html`"),
        (b'{"schemaVersion": 1}', "", SCHEMA_1),
        (b"{}", "application/vnd.docker.distribution.manifest.v1+prettyjws", SCHEMA_1),
        (b'{"manifests": [], "layers": []}', "", "is an index and a manifest at once"),
        (b'{"manifests": {}}', ACCEPTED[0], f"{UNREAD} `manifests` is an object, not a list"),
        (b"{}", ACCEPTED[0], f"{UNREAD} `manifests` is missing"),
        (
            changed(IMAGE, config={"mediaType": "application/vnd.helm", "digest": Digest.of(b""), "size": 1}),
            "",
            "is no image, but something else: `application/vnd.helm`",
        ),
        (changed(IMAGE, layers=["x"]), "", f"{UNREAD} `layers[0]` is text, not an object"),
        (
            with_layer(digest="sha512:00"),
            "",
            f"{UNREAD} `layers[0].digest` is not a SHA-256 digest: 'sha512:00'",
        ),
        (with_layer(size=-1), "", f"{UNREAD} `layers[0].size` is out of range: -1"),
        (with_layer(size=2**70), "", f"{UNREAD} `layers[0].size` is out of range: {2**70}"),
        (with_layer(size=5.0), "", f"{UNREAD} `layers[0].size` is a number, not a whole number"),
        (with_layer(size=True), "", f"{UNREAD} `layers[0].size` is a boolean, not a whole number"),
        (
            with_layer(annotations={"a b": 5}),
            "",
            f'{UNREAD} `layers[0].annotations["a b"]` is a number, not text',
        ),
        (
            with_layer(urls=["https://example.com/layer"]),
            "",
            f"has a layer that the registry itself may not give: {IMAGE.layers[0]}",
        ),
        (
            with_layer(mediaType=DOCKER_LAYER.replace("rootfs", "rootfs.foreign")),
            "",
            f"has a layer that the registry itself may not give: {IMAGE.layers[0]}",
        ),
        (
            with_layer(mediaType=f"{LAYER}+encrypted"),
            "",
            f"has a layer of a kind that is not known here: `{LAYER}+encrypted`",
        ),
    ],
)
def test_what_is_no_base(content: bytes, media_type: str, message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        read(document(content, media_type))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"null", f"{NO_CONFIG} the document is null"),
        (b"{}", f"{NO_CONFIG} `rootfs.diff_ids` is missing"),
        (b'{"os": "linux", "rootfs": {"diff_ids": []}}', "has a configuration that names no platform"),
        (
            b'{"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": ["md5:0"]}}',
            f"{NO_CONFIG} `rootfs.diff_ids[0]` is not a SHA-256 digest: 'md5:0'",
        ),
        (
            f'{{{DIFF_IDS}, "config": {{"Env": ["A", 5, null]}}}}'.encode(),
            f"{NO_CONFIG} `config.Env[1]` is a number, not text",
        ),
        (
            f'{{{DIFF_IDS}, "config": {{"Env": ["A", null]}}}}'.encode(),
            f"{NO_CONFIG} `config.Env[1]` is missing",
        ),
        (
            f'{{{DIFF_IDS}, "config": {{"Env": ["A=\\u0000"]}}}}'.encode(),
            f"{NO_CONFIG} `config.Env[0]` has a NUL character",
        ),
        (f'{{{DIFF_IDS}, "config": []}}'.encode(), f"{NO_CONFIG} `config` is a list, not an object"),
    ],
)
def test_no_configuration(content: bytes, message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        read_config(content, LINUX_AMD64)
    assert str(caught.value) == message


def test_documents_that_do_not_fit_each_other() -> None:
    manifest = manifest_of(IMAGE)
    with pytest.raises(ManifestError) as caught:
        layers_of(manifest, read_configuration(b'{"rootfs": {"diff_ids": []}}'))
    assert str(caught.value) == "has 2 layers in its manifest, and 0 in its configuration"
