"""Pulls from a registry: only what is missing, verified, and nothing that is no image of mlimage."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlimage.content.entry import Entry, file_of_bytes
from mlimage.digest import Digest, canonical_json
from mlimage.errors import FetchError, MlimageWarning, RegistryError, UsageError
from mlimage.fetch import Http
from mlimage.oci.config import LAYER_SIZE
from mlimage.oci.model import CONFIG, INDEX, MANIFEST, SealedImage
from mlimage.oci.registry import MAX_DOCUMENT
from mlimage.oci.seal import seal
from mlimage.oci.store import Store
from mlimage.progress import SILENT
from mlimage.release.index import Member, index_of
from mlimage.release.push import push
from mlimage.spec.tags import ImageTag
from support.faultyregistry import FaultyRegistry, faulty_registry
from support.pulling import pulled
from support.pushing import destination, pushed
from support.sealing import packed, plan_of, sealed


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def registry(source: Store, pushable: SealedImage, quick: Http) -> Iterator[FaultyRegistry]:
    with faulty_registry() as made:
        pushed(pushable, source, destination(made, quick), tags=["latest"])
        yield made


def test_what_was_pushed_comes_back(
    registry: FaultyRegistry, quick: Http, store: Store, pushable: SealedImage
) -> None:
    size = sum(layer.blob.size for layer in pushable.layers)
    first = pulled(registry, quick, store)
    assert (first.image, first.why) == (pushable, "`cpu`: there is none for CUDA")
    assert (first.fetched, first.there) == (size, 0)
    assert store.tags().keys() == {"demo:cpu"}
    store.blob(pushable.layers[0].blob.digest).unlink()
    again = pulled(registry, quick, store)
    assert again.fetched == pushable.layers[0].blob.size
    assert again.there == size - again.fetched


def test_of_another_variant_only_its_own_layers_come(quick: Http, store: Store, tmp_path: Path) -> None:
    source = Store(tmp_path / "source")

    def files(name: str) -> list[Entry]:
        return [file_of_bytes(name, name.encode() * 1000, origin="t")]

    images = {
        "cpu": sealed(source, base=files("base"), app=files("app")),
        "cuda": sealed(source, variant="cuda", base=files("base"), app=files("app"), cublas=files("cublas")),
    }
    index = index_of(
        [
            Member(image=image, tag=ImageTag(variant=variant), accelerator=variant)
            for variant, image in images.items()
        ],
        title="demo",
    )
    with faulty_registry() as registry:
        push(
            index, list(images.values()), content_tag="1", tags=["latest"], force=False,
            destination=destination(registry, quick), store=source, progress=SILENT, title="demo",
        )  # fmt: skip
        assert pulled(registry, quick, store).image == images["cpu"]
        found = pulled(registry, quick, store, variant="cuda")
    assert found.image == images["cuda"]
    assert found.fetched == images["cuda"].layers[-1].blob.size
    assert found.there == sum(layer.blob.size for layer in images["cpu"].layers)
    assert store.tags().keys() == {"demo:cpu", "demo:cuda"}


def test_a_variant_that_is_not_there(registry: FaultyRegistry, quick: Http, store: Store) -> None:
    registry.requests.clear()
    with pytest.raises(UsageError) as caught:
        pulled(registry, quick, store, variant="cuda")
    assert (str(caught.value), caught.value.hint) == ("`demo` has no variant `cuda`", "it has `cpu`")
    assert not [path for _, path in registry.requests if "/blobs/" in path]
    assert store.tags() == {}


def changed(registry: FaultyRegistry, pushable: SealedImage, **changes: Any) -> None:
    """Let `latest` be the image's manifest with other values."""
    _, content = registry.manifests["team/demo", pushable.digest]
    other = canonical_json({**json.loads(content), **changes})
    registry.manifests["team/demo", "latest"] = (MANIFEST, other)


def config(registry: FaultyRegistry, pushable: SealedImage, **changes: Any) -> dict[str, Any]:
    """A descriptor of the image's configuration with other values."""
    document = json.loads(registry.blobs["team/demo", pushable.config.digest])
    content = canonical_json({**document, **changes})
    registry.blobs["team/demo", Digest.of(content)] = content
    return {"mediaType": pushable.config.media_type, "digest": Digest.of(content), "size": len(content)}


def layer(pushable: SealedImage, **changes: Any) -> dict[str, Any]:
    blob = pushable.layers[0].blob
    return {"mediaType": blob.media_type, "digest": blob.digest, "size": blob.size, **changes}


def test_what_is_refused(registry: FaultyRegistry, quick: Http, store: Store, pushable: SealedImage) -> None:
    layers = [layer(pushable) for _ in pushable.layers]
    cases: dict[str, dict[str, Any]] = {
        "`demo` was not made by mlimage": {
            "config": config(registry, pushable, config={"Labels": {"a": "b"}})
        },
        "`demo` is not there for `linux/amd64`": {"config": config(registry, pushable, architecture="s390x")},
        "`demo` has 1 layers in its manifest, and 3 in its configuration": {"layers": layers[:1]},
        f"`demo` has a layer that the registry itself may not give: {pushable.layers[0].blob.digest}": {
            "layers": [layer(pushable, urls=["https://example.com/x"]), *layers[1:]]
        },
        "`demo` has a layer of a kind that is not known here: `text/html`": {
            "layers": [layer(pushable, mediaType="text/html"), *layers[1:]]
        },
        "`demo` is an index and a manifest at once": {"manifests": []},
    }
    for message, changes in cases.items():
        changed(registry, pushable, **changes)
        with pytest.raises(RegistryError) as caught:
            pulled(registry, quick, store)
        assert str(caught.value) == message
    assert store.tags() == {}


def test_a_layer_that_is_another_one(
    registry: FaultyRegistry, quick: Http, store: Store, pushable: SealedImage
) -> None:
    digest = pushable.layers[1].blob.digest
    registry.blobs["team/demo", digest] = b"x" * pushable.layers[1].blob.size
    with pytest.raises(FetchError) as caught:
        pulled(registry, quick, store)
    assert f"expected {digest}" in str(caught.value)
    assert store.tags() == {}
    assert not store.has(digest)


def named(registry: FaultyRegistry, content: bytes, media_type: str = INDEX) -> dict[str, Any]:
    """Let `latest`, and its digest, be this; gives the descriptor."""
    registry.manifests["team/demo", "latest"] = (media_type, content)
    registry.manifests["team/demo", Digest.of(content)] = (media_type, content)
    return {"mediaType": media_type, "digest": Digest.of(content), "size": len(content)}


def entry(pushable: SealedImage) -> dict[str, Any]:
    return {
        "mediaType": MANIFEST,
        "digest": pushable.digest,
        "size": pushable.manifest.size,
        "platform": {"os": "linux", "architecture": "amd64"},
    }


def test_an_index_of_an_index(
    registry: FaultyRegistry, quick: Http, store: Store, pushable: SealedImage
) -> None:
    inner = named(registry, canonical_json({"schemaVersion": 2, "manifests": [entry(pushable)]}))
    outer = [{**inner, "platform": {"os": "linux", "architecture": "amd64"}}]
    named(registry, canonical_json({"schemaVersion": 2, "manifests": outer}))
    registry.requests.clear()
    assert pulled(registry, quick, store).image == pushable
    assert [path for _, path in registry.requests if "/manifests/" in path] == [
        "/v2/team/demo/manifests/latest",
        f"/v2/team/demo/manifests/{inner['digest']}",
        f"/v2/team/demo/manifests/{pushable.digest}",
    ]


def test_an_index_that_is_listed_as_a_manifest(
    registry: FaultyRegistry, quick: Http, store: Store, pushable: SealedImage
) -> None:
    inner = named(registry, canonical_json({"schemaVersion": 2, "manifests": [entry(pushable)]}))
    outer = {**inner, "mediaType": MANIFEST, "platform": {"os": "linux", "architecture": "amd64"}}
    named(registry, canonical_json({"schemaVersion": 2, "manifests": [outer]}))
    with pytest.raises(RegistryError) as caught:
        pulled(registry, quick, store)
    assert str(caught.value) == f"`demo` lists an index as a manifest: {inner['digest']}"


def test_an_index_that_names_no_platform(
    registry: FaultyRegistry, quick: Http, store: Store, pushable: SealedImage
) -> None:
    nowhere = {key: value for key, value in entry(pushable).items() if key != "platform"}
    named(registry, canonical_json({"schemaVersion": 2, "manifests": [nowhere]}))
    with pytest.raises(RegistryError) as caught:
        pulled(registry, quick, store)
    assert str(caught.value) == "`demo` is not there for `linux/amd64`"
    assert caught.value.hint == "its index names no platform"


UNREAD = "`demo` has a manifest that cannot be read:"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            lambda image: canonical_json({"schemaVersion": 2, "manifests": [entry(image)] * 5000}),
            f"{UNREAD} `manifests` is a list of 5000, of at most 1000",
        ),
        (
            lambda _: b"[" * (MAX_DOCUMENT - 1),
            f"{UNREAD} the document is nested more than 100 levels deep",
        ),
        (
            lambda _: b" " * (MAX_DOCUMENT + 1),
            f"`HOST` gives more than {MAX_DOCUMENT >> 20} MiB for `team/demo:latest`, which no manifest has",
        ),
    ],
)
def test_an_index_without_end(
    content: Callable[[SealedImage], bytes],
    message: str,
    registry: FaultyRegistry,
    quick: Http,
    store: Store,
    pushable: SealedImage,
) -> None:
    named(registry, content(pushable))
    with pytest.raises(RegistryError) as caught:
        pulled(registry, quick, store)
    assert str(caught.value) == message.replace("HOST", registry.host)
    assert store.tags() == {}


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ([5 << 30], "has a layer `app`, which unpacks to more than 200 times its {size} bytes"),
        ([4 << 30] * 129, f"unpacks to more than the {512 << 30} bytes that are allowed"),
    ],
)
def test_what_says_that_it_is_a_bomb_does_not_come(
    sizes: list[int], said: str, quick: Http, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlimage.release.pull.MAX_LAYERS", 1000)
    monkeypatch.setattr("mlimage.oci.seal.MAX_LAYERS", 1000)
    source = Store(tmp_path / "source")
    names = ["app", *map(str, range(len(sizes) - 1))]
    layer = packed(source, "app", [file_of_bytes("x", b"1", origin="t")])
    layers = [
        replace(layer, name=name, uncompressed_size=size) for name, size in zip(names, sizes, strict=True)
    ]
    image = seal(plan_of(names), layers, source)
    with faulty_registry() as made:
        pushed(image, source, destination(made, quick), tags=["latest"])
        with pytest.raises(RegistryError) as caught:
            pulled(made, quick, store)
    assert str(caught.value) == f"`demo` {said.format(size=layer.blob.size)}"
    assert not store.has(layer.blob.digest)


@pytest.mark.parametrize("size", [[], {}, 1, "-1", "1.5", "x", "9" * 5000])
def test_a_size_that_is_none(
    size: object, registry: FaultyRegistry, quick: Http, store: Store, pushable: SealedImage
) -> None:
    content = json.loads(registry.manifests["team/demo", pushable.digest][1])
    content["layers"][0]["annotations"][LAYER_SIZE] = size
    registry.manifests["team/demo", "latest"] = (MANIFEST, json.dumps(content).encode())
    with pytest.raises(RegistryError) as caught:
        pulled(registry, quick, store)
    assert re.match(
        r"`demo` (is no image that mlimage can read|has a manifest that cannot be read): ", str(caught.value)
    )


def test_damage_in_the_store_is_mended(
    registry: FaultyRegistry, quick: Http, store: Store, pushable: SealedImage
) -> None:
    pulled(registry, quick, store)
    layer = pushable.layers[0]
    store.blob(layer.blob.digest).write_bytes(bytes(layer.blob.size))
    with pytest.warns(MlimageWarning, match="is damaged; it is built or pulled again"):
        assert pulled(registry, quick, store).fetched == layer.blob.size
    store.check(layer.blob)


def odd(registry: FaultyRegistry, **run: Any) -> None:
    """An image whose configuration says this, under the tag `latest`."""
    content = canonical_json(
        {"os": "linux", "architecture": "amd64", "config": run, "rootfs": {"diff_ids": []}}
    )
    registry.blobs["team/demo", Digest.of(content)] = content
    config = {"mediaType": CONFIG, "digest": Digest.of(content), "size": len(content)}
    named(
        registry, canonical_json({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []})
    )


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (
            {"Env": ["A", 5, None]},
            "has a configuration that cannot be read: `config.Env[1]` is a number, not text",
        ),
        (
            {"Labels": {"dev.mlimage.variant": "\x1b[2Jcpu"}},
            "has the label `dev.mlimage.variant`, which is not the name of a variant",
        ),
        (
            {"Labels": {"dev.mlimage.variant": "../x"}},
            "has the label `dev.mlimage.variant`, which is not the name of a variant",
        ),
    ],
)
def test_an_odd_configuration(
    run: dict[str, Any], message: str, registry: FaultyRegistry, quick: Http, store: Store
) -> None:
    odd(registry, **run)
    with pytest.raises(RegistryError) as caught:
        pulled(registry, quick, store)
    assert (str(caught.value), caught.value.hint) == (
        f"`demo` {message}",
        "push it again with the tool that made it",
    )
    assert store.tags() == {}
