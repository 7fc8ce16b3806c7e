"""Pushes to a registry: what is sent and what is not, and what is refused."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mlimage.digest import Digest
from mlimage.errors import FetchError, RegistryError
from mlimage.fetch import Http
from mlimage.oci.model import Descriptor, SealedImage
from mlimage.oci.store import Store
from mlimage.release.index import content_tag
from support.faultyregistry import faulty_registry
from support.pushing import QUICK, destination, image_to_push, pushed, whole
from support.sealing import CREATED


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def image(store: Store) -> SealedImage:
    return image_to_push(store)


@pytest.fixture
def http() -> Iterator[Http]:
    with Http(retry=QUICK, read_timeout=5) as client:
        yield client


def test_everything_once(store: Store, image: SealedImage, http: Http) -> None:
    size = sum(layer.blob.size for layer in image.layers) + image.config.size
    with faulty_registry() as registry:
        first = pushed(image, store, destination(registry, http), tags=["latest", "stable"])
        assert whole(registry, image)
        assert first.bytes == {"sent": size, "mounted": 0, "there": 0}
        assert registry.manifests["team/demo", "latest"] == registry.manifests["team/demo", first.tags[0]]
        registry.requests.clear()
        again = pushed(image, store, destination(registry, http), tags=["latest"])
        assert again.digest == first.digest
        assert again.bytes == {"sent": 0, "mounted": 0, "there": size}
        assert {method for method, _ in registry.requests} == {"HEAD"}
        other = pushed(image, store, destination(registry, http, "other", sources=["team/demo"]))
        assert other.bytes == {"sent": 0, "mounted": size, "there": 0}
        assert whole(registry, image, "team/other")


def test_a_tag_of_other_content_stays(store: Store, image: SealedImage, http: Http) -> None:
    tag = content_tag([image], CREATED)
    with faulty_registry() as registry:
        registry.manifests["team/demo", tag] = ("x", b"{}")
        with pytest.raises(RegistryError) as caught:
            pushed(image, store, destination(registry, http))
        assert str(caught.value).startswith(
            f"`registry/team/demo:{tag}` is there already, and is {Digest.of(b'{}')}, not sha256:"
        )
        assert registry.blobs == {}
        pushed(image, store, destination(registry, http), force=True)
        assert whole(registry, image)


def test_a_registry_that_stores_something_else(store: Store, image: SealedImage, http: Http) -> None:
    with faulty_registry() as registry:
        to = destination(registry, http)
        pushed(image, store, to)
        registry.rate, registry.faults = 1.0, ("other digest",)
        with pytest.raises(RegistryError) as caught:
            to.put_manifest(b"{}", "x", "odd")
        assert "has another manifest than was sent: expected sha256:" in str(caught.value)


def test_nobody_listens(store: Store, image: SealedImage, http: Http) -> None:
    with faulty_registry() as registry:
        pass
    with pytest.raises(FetchError) as caught:
        pushed(image, store, destination(registry, http))
    assert "cannot be sent to: tried 8 times: `127.0.0.1` refuses the connection" in str(caught.value)


class _Nobodys(set[str]):
    """Tokens of which none is any good."""

    def __contains__(self, token: object) -> bool:
        return False


def test_without_a_login(store: Store, image: SealedImage, http: Http) -> None:
    with faulty_registry(needs_token=True) as registry:
        registry._tokens = _Nobodys()
        with pytest.raises(RegistryError) as caught:
            pushed(image, store, destination(registry, http))
        tag = content_tag([image], CREATED)
        assert str(caught.value) == (
            f"`{registry.host}` does not take `team/demo:{tag}` without a login (HTTP 401)"
        )
        assert caught.value.hint == f"`docker login {registry.host}`, with a login that may push"
        assert registry.blobs == {}


def test_damaged_in_the_store(image: SealedImage, store: Store, http: Http, tmp_path: Path) -> None:
    blob = image.layers[0].blob
    file = tmp_path / "blob"
    file.write_bytes(b"x" * blob.size)
    with faulty_registry() as registry:
        with pytest.raises(RegistryError) as caught:
            destination(registry, http).upload(
                Descriptor(media_type=blob.media_type, digest=blob.digest, size=blob.size),
                file,
                _Nothing(),
            )
        assert str(caught.value) == (
            f"`{registry.host}` refuses `team/demo@{blob.digest}` (HTTP 400): "
            "provided digest did not match uploaded content"
        )
        assert registry.blobs == {}


class _Nothing:
    def advance(self, amount: int) -> None:
        pass
