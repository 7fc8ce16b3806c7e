"""Layers that registries have: what may stay, what comes, what is kept, and that a cache ends no build."""

import json
from pathlib import Path

import pytest

from mlimage.digest import Digest
from mlimage.errors import FetchError
from mlimage.fetch import Http
from mlimage.mirrors import Mirrors
from mlimage.oci.login import Logins
from mlimage.oci.model import Descriptor, SealedImage
from mlimage.oci.registry import Repository
from mlimage.oci.store import Store
from mlimage.process import Command, Completed
from mlimage.progress import SILENT
from mlimage.release.elsewhere import LayerCache, Registries
from mlimage.spec.registry import parse_reference
from support.faultyregistry import FaultyRegistry, faulty_registry
from support.notes import Notes
from support.pushing import destination, pushed


def cache_of(registry: FaultyRegistry, http: Http, store: Store, notes: Notes) -> LayerCache:
    """The repository `team/layers` as a cache."""

    def none(_: Command) -> Completed:
        raise AssertionError

    return LayerCache(
        "registry/team/layers",
        writes=destination(registry, http, "layers", sources=["team/demo"]),
        reads=Repository(
            parse_reference(f"{registry.host}/team/layers:x"),
            http=http,
            mirrors=Mirrors(configured={}),
            logins=Logins({}, run=none),
            progress=SILENT,
        ),
        store=store,
        progress=notes,
    )


@pytest.fixture
def layers(pushable: SealedImage) -> dict[Digest, Descriptor]:
    """By a key."""
    return {Digest.of(layer.name.encode()): layer.blob for layer in pushable.layers}


@pytest.fixture
def laptop(tmp_path: Path) -> Store:
    """A store that has nothing."""
    return Store(tmp_path / "laptop")


def test_what_the_target_has_may_stay(source: Store, pushable: SealedImage, quick: Http) -> None:
    blobs = [layer.blob for layer in pushable.layers]
    with faulty_registry() as registry:
        assert Registries(destination(registry, quick), None).find(blobs) == frozenset()
        pushed(pushable, source, destination(registry, quick))
        everything = frozenset(blob.digest for blob in blobs)
        assert Registries(destination(registry, quick), None).find(blobs) == everything
        mounting = destination(registry, quick, "other", sources=["team/demo"])
        assert Registries(mounting, None).find(blobs) == everything
        assert {blob for name, blob in registry.blobs if name == "team/other"} == everything
        # What is known to be there is not asked for again.
        registry.requests.clear()
        assert Registries(mounting, None).find(blobs) == everything
        assert registry.requests == []


def test_a_target_that_nobody_reaches_is_an_error(pushable: SealedImage, quick: Http) -> None:
    with faulty_registry() as registry:
        to = destination(registry, quick)
    with pytest.raises(FetchError, match="refuses the connection"):
        Registries(to, None).find([pushable.layers[0].blob])


def test_a_cache_keeps_layers_and_gives_them_back(
    source: Store, layers: dict[Digest, Descriptor], laptop: Store, quick: Http
) -> None:
    notes = Notes()
    size = sum(blob.size for blob in layers.values())
    with faulty_registry() as registry:
        # The size of the empty configuration comes on top.
        assert cache_of(registry, quick, source, notes).keep(layers, "demo:cpu") == size + 2
        media_type, manifest = registry.manifests["team/layers", "demo-cpu"]
        read = json.loads(manifest)
        assert media_type == "application/vnd.oci.image.manifest.v1+json"
        assert read["artifactType"] == "application/vnd.mlimage.layers.v1"
        assert {
            (each["annotations"]["dev.mlimage.key"], each["digest"], each["size"]) for each in read["layers"]
        } == {(key, blob.digest, blob.size) for key, blob in layers.items()}
        registry.requests.clear()
        assert cache_of(registry, quick, source, notes).keep(layers, "demo:cpu") == 0
        assert registry.requests == [("HEAD", "/v2/team/layers/manifests/demo-cpu")]
        found = Registries(None, cache_of(registry, quick, laptop, notes)).find(list(layers.values()))
        assert found == {blob.digest for blob in layers.values()}
        for blob in layers.values():
            assert Digest.of_file(laptop.blob(blob.digest)) == blob.digest
    assert notes.notes == []


def test_what_the_target_has_does_not_come_from_the_cache(
    source: Store,
    pushable: SealedImage,
    layers: dict[Digest, Descriptor],
    laptop: Store,
    quick: Http,
) -> None:
    with faulty_registry() as registry:
        cache_of(registry, quick, source, Notes()).keep(layers, "demo:cpu")
        to = destination(registry, quick, "other", sources=["team/layers"])
        blobs = [layer.blob for layer in pushable.layers]
        assert len(Registries(to, cache_of(registry, quick, laptop, Notes())).find(blobs)) == len(blobs)
        assert not any(laptop.holds(blob) for blob in blobs)


def test_layers_that_stayed_are_taken_from_where_they_are(
    source: Store, pushable: SealedImage, layers: dict[Digest, Descriptor], laptop: Store, quick: Http
) -> None:
    with faulty_registry() as registry:
        pushed(pushable, source, destination(registry, quick))
        assert cache_of(registry, quick, laptop, Notes()).keep(layers, "demo:cpu") == 2
        assert all(("team/layers", blob.digest) in registry.blobs for blob in layers.values())
        # One that is nowhere is left out.
        nowhere = Descriptor(media_type="x", digest=Digest.of(b"nowhere"), size=7)
        cache_of(registry, quick, laptop, Notes()).keep({**layers, Digest.of(b"k"): nowhere}, "demo:cuda")
        _, manifest = registry.manifests["team/layers", "demo-cuda"]
        assert len(json.loads(manifest)["layers"]) == len(layers)


def test_a_cache_with_wrong_bytes_gives_none(
    source: Store, layers: dict[Digest, Descriptor], laptop: Store, quick: Http
) -> None:
    notes = Notes()
    with faulty_registry() as registry:
        cache_of(registry, quick, source, notes).keep(layers, "demo:cpu")
        for blob in layers.values():
            registry.blobs["team/layers", blob.digest] = b"x" * blob.size
        cache = cache_of(registry, quick, laptop, notes)
        assert Registries(None, cache).find(list(layers.values())) == frozenset()
        assert not any(laptop.holds(blob) for blob in layers.values())
        registry.manifests.clear()
        assert cache.keep(layers, "demo:cpu") == 0
        assert registry.manifests == {}  # once is enough
    [told] = notes.notes
    assert told.startswith("warning: the cache is not read: ")


def test_a_cache_that_refuses_is_told(source: Store, layers: dict[Digest, Descriptor], quick: Http) -> None:
    notes = Notes()
    with faulty_registry() as registry:
        cache = cache_of(registry, quick, source, notes)
    assert cache.keep(layers, "demo:cpu") == 0
    [told] = notes.notes
    assert told.startswith("warning: the cache is not written: ")
    assert "refuses the connection" in told
