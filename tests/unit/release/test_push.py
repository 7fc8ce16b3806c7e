"""Pushes to a registry: what is sent and what is not, and what is refused."""

import io
from pathlib import Path

import pytest

from mlimage.digest import Digest
from mlimage.errors import BuildError, FetchError, RegistryError
from mlimage.fetch import Http
from mlimage.oci.model import SealedImage
from mlimage.oci.store import Store
from mlimage.release.index import content_tag
from support.faultyregistry import faulty_registry
from support.pushing import destination, image_in, pushed, whole
from support.sealing import CREATED


def test_everything_once(source: Store, pushable: SealedImage, quick: Http) -> None:
    size = sum(layer.blob.size for layer in pushable.layers) + pushable.config.size
    with faulty_registry() as registry:
        first = pushed(pushable, source, destination(registry, quick), tags=["latest", "stable"])
        assert whole(registry, pushable)
        assert first.bytes == {"sent": size, "mounted": 0, "there": 0}
        assert registry.manifests["team/demo", "latest"] == registry.manifests["team/demo", first.tags[0]]
        registry.requests.clear()
        again = pushed(pushable, source, destination(registry, quick), tags=["latest"])
        assert again.digest == first.digest
        assert again.bytes == {"sent": 0, "mounted": 0, "there": size}
        assert {method for method, _ in registry.requests} == {"HEAD"}
        other = pushed(pushable, source, destination(registry, quick, "other", sources=["team/demo"]))
        assert other.bytes == {"sent": 0, "mounted": size, "there": 0}
        assert whole(registry, pushable, "team/other")


def test_a_tag_of_other_content_stays(source: Store, pushable: SealedImage, quick: Http) -> None:
    tag = content_tag([pushable], CREATED)
    with faulty_registry() as registry:
        registry.manifests["team/demo", tag] = ("x", b"{}")
        with pytest.raises(RegistryError) as caught:
            pushed(pushable, source, destination(registry, quick))
        assert str(caught.value).startswith(
            f"`registry/team/demo:{tag}` is there already, and is {Digest.of(b'{}')}, not sha256:"
        )
        assert registry.blobs == {}
        pushed(pushable, source, destination(registry, quick), force=True)
        assert whole(registry, pushable)


def test_a_registry_that_stores_something_else(source: Store, pushable: SealedImage, quick: Http) -> None:
    with faulty_registry() as registry:
        to = destination(registry, quick)
        pushed(pushable, source, to)
        registry.rate, registry.faults = 1.0, ("other digest",)
        with pytest.raises(RegistryError) as caught:
            to.put_manifest(b"{}", "x", "odd")
        assert "has another manifest than was sent: expected sha256:" in str(caught.value)


def test_nobody_listens(source: Store, pushable: SealedImage, quick: Http) -> None:
    with faulty_registry() as registry:
        pass
    with pytest.raises(FetchError) as caught:
        pushed(pushable, source, destination(registry, quick))
    assert "cannot be sent to: tried 8 times: `127.0.0.1` refuses the connection" in str(caught.value)


class _Nobodys(set[str]):
    """Tokens of which none is any good."""

    def __contains__(self, token: object) -> bool:
        return False


def test_without_a_login(source: Store, pushable: SealedImage, quick: Http) -> None:
    with faulty_registry(needs_token=True) as registry:
        registry._tokens = _Nobodys()
        with pytest.raises(RegistryError) as caught:
            pushed(pushable, source, destination(registry, quick))
        tag = content_tag([pushable], CREATED)
        assert str(caught.value) == (
            f"`{registry.host}` does not take `team/demo:{tag}` without a login (HTTP 401)"
        )
        assert caught.value.hint == f"`docker login {registry.host}`, with a login that may push"
        assert registry.blobs == {}


@pytest.mark.parametrize("position", [0, 700_000, -1])
@pytest.mark.parametrize("number", [0, 2])
def test_damaged_in_the_store(number: int, position: int, quick: Http, tmp_path: Path) -> None:
    """One flipped bit, in a layer that goes in one request and in one that goes in parts."""
    store = Store(tmp_path / "store")
    image = image_in(store)
    layer = image.layers[number]
    path = store.blob(layer.blob.digest)
    content = bytearray(path.read_bytes())
    content[position % len(content)] ^= 0x10
    path.write_bytes(content)
    with faulty_registry() as registry:
        with pytest.raises(BuildError) as caught:
            pushed(image, store, destination(registry, quick))
        assert str(caught.value) == f"layer `{layer.name}` in the store is damaged: {layer.blob.digest}"
        assert caught.value.hint == "it is deleted: build the image again, or pull it again"
        assert ("team/demo", layer.blob.digest) not in registry.blobs
        assert image_in(store) == image
        pushed(image, store, destination(registry, quick))
        assert whole(registry, image)


def test_a_registry_that_takes_it_for_something_else(
    source: Store, pushable: SealedImage, quick: Http
) -> None:
    blob = pushable.layers[0].blob
    with faulty_registry() as registry:
        with pytest.raises(RegistryError) as caught:
            destination(registry, quick).upload(blob, lambda: io.BytesIO(bytes(blob.size)), _Nothing())
        assert str(caught.value) == (
            f"`{registry.host}` refuses `team/demo@{blob.digest}` (HTTP 400): "
            "provided digest did not match uploaded content"
        )
        assert registry.blobs == {}


class _Nothing:
    def advance(self, amount: int) -> None:
        pass
