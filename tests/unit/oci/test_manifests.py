"""Documents of registries: which are taken, and what is said of those that are not."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlimage.digest import Digest
from mlimage.oci.manifests import (
    ACCEPTED,
    Config,
    Manifest,
    ManifestError,
    NoPlatformError,
    layers_of,
    read_config,
    read_manifest,
)
from mlimage.oci.model import LAYER, MANIFEST
from mlimage.platforms import LINUX_AMD64, Platform
from support.bases import DOCKER_LAYER, Made, image_of, index_of

IMAGE = image_of(b"one", b"two", env=["B=2", "A=1=1", "A=3", "odd"])
DOCKER = image_of(b"one", docker=True)


def changed(made: Made, **changes: Any) -> bytes:
    return json.dumps(json.loads(made.content) | changes).encode()


def with_layer(**changes: Any) -> bytes:
    document = json.loads(IMAGE.content)
    document["layers"][0] |= changes
    return json.dumps(document).encode()


@pytest.mark.parametrize("image", [IMAGE, DOCKER])
def test_an_image(image: Made) -> None:
    manifest = read_manifest(image.content, image.media_type, LINUX_AMD64)
    assert isinstance(manifest, Manifest)
    config = read_config(image.blobs[manifest.config.digest], LINUX_AMD64)
    layers = layers_of(manifest, config)
    assert [layer.diff_id for layer in layers] == list(image.diff_ids)
    assert [layer.digest for layer in layers] == image.layers
    assert {layer.media_type for layer in layers} == {f"{LAYER}+gzip"}


def test_its_environment() -> None:
    manifest = read_manifest(IMAGE.content, "", LINUX_AMD64)
    assert isinstance(manifest, Manifest)
    config = read_config(IMAGE.blobs[manifest.config.digest], LINUX_AMD64)
    assert config == Config(env=(("A", "3"), ("B", "2"), ("odd", "")), diff_ids=IMAGE.diff_ids)


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
    found = read_manifest(index.content, index.media_type, Platform.parse(platform))
    assert not isinstance(found, Manifest)
    assert found.digest == images[chosen].digest


def test_no_such_platform() -> None:
    index = index_of(("linux/amd64/v3", IMAGE), ("linux/arm64", IMAGE), ("unknown/unknown", IMAGE))
    with pytest.raises(NoPlatformError) as caught:
        read_manifest(index.content, index.media_type, LINUX_AMD64)
    assert caught.value.platforms == ("linux/amd64/v3", "linux/arm64")


def test_a_configuration_of_another_platform() -> None:
    image = image_of(b"", architecture="arm64")
    manifest = read_manifest(image.content, "", LINUX_AMD64)
    assert isinstance(manifest, Manifest)
    with pytest.raises(NoPlatformError) as caught:
        read_config(image.blobs[manifest.config.digest], LINUX_AMD64)
    assert caught.value.platforms == ("linux/arm64",)


SCHEMA_1 = "has the form of before 2016 (manifest schema 1), which has no digests of what is in its layers"


@pytest.mark.parametrize(
    ("content", "media_type", "message"),
    [
        (b"{", MANIFEST, "is no JSON object"),
        (b"[]", MANIFEST, "is no JSON object"),
        (b"{}", "text/html", "is no image: the registry calls it `text/html`"),
        (b'{"schemaVersion": 1}', "", SCHEMA_1),
        (b"{}", "application/vnd.docker.distribution.manifest.v1+prettyjws", SCHEMA_1),
        (b'{"manifests": [], "layers": []}', "", "is an index and a manifest at once"),
        (b'{"manifests": {}}', ACCEPTED[0], "is an index without manifests"),
        (
            changed(IMAGE, config={"mediaType": "application/vnd.helm", "digest": Digest.of(b""), "size": 1}),
            "",
            "is no image, but something else: `application/vnd.helm`",
        ),
        (changed(IMAGE, layers=["x"]), "", "has a layer that is none"),
        (with_layer(digest="sha512:00"), "", "has a descriptor that is none of SHA-256"),
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
        read_manifest(content, media_type, LINUX_AMD64)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"null", "is no JSON object"),
        (b"{}", "has a configuration that is none of an image"),
        (
            b'{"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": ["md5:0"]}}',
            "has a configuration with a digest that is none of SHA-256",
        ),
    ],
)
def test_no_configuration(content: bytes, message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        read_config(content, LINUX_AMD64)
    assert str(caught.value) == message


def test_documents_that_do_not_fit_each_other() -> None:
    manifest = read_manifest(IMAGE.content, "", LINUX_AMD64)
    assert isinstance(manifest, Manifest)
    with pytest.raises(ManifestError) as caught:
        layers_of(manifest, Config(env=(), diff_ids=()))
    assert str(caught.value) == "has 2 layers in its manifest, and 0 in its configuration"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just(str(Digest.of(b""))),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "mediaType",
                    "digest",
                    "size",
                    "layers",
                    "config",
                    "manifests",
                    "platform",
                    "os",
                    "architecture",
                    "variant",
                    "rootfs",
                    "diff_ids",
                    "Env",
                    "urls",
                    "schemaVersion",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_any_document_is_read_or_refused(value: object) -> None:
    content = json.dumps(value).encode()
    for read in (lambda: read_manifest(content, "", LINUX_AMD64), lambda: read_config(content, LINUX_AMD64)):
        try:
            read()
        except ManifestError:
            continue
