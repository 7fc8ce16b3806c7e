import warnings
from pathlib import Path

import pytest

from mlimage.content.entry import file_of_bytes
from mlimage.daemon.bring import Brought, bring, why_not_pull
from mlimage.daemon.connect import Daemon
from mlimage.daemon.facts import Facts
from mlimage.daemon.images import unchanged_on_failure
from mlimage.errors import BuildError, MlimageWarning, RunError
from mlimage.oci.archive import docker_archive_stream
from mlimage.oci.model import SealedImage
from mlimage.oci.store import Store
from mlimage.progress import SILENT
from support.running import FakeClient, FakeImage, facts, image
from support.sealing import sealed


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def demo(store: Store, app: bytes = b"one", name: str = "demo") -> SealedImage:
    return sealed(
        store,
        image=name,
        base=[file_of_bytes("base", b"base", origin="test")],
        app=[file_of_bytes("app", app, origin="test")],
    )


def as_known(made: SealedImage, identity: str) -> FakeImage:
    return FakeImage(id=identity, layers=tuple(layer.diff_id for layer in made.layers))


def daemon(client: FakeClient, found: Facts | None = None) -> Daemon:
    return Daemon(client=client, facts=found or facts())


def test_an_engine_fetches_what_it_lacks(store: Store) -> None:
    client, made = FakeClient(), demo(store)
    brought = bring(daemon(client), made, store, SILENT)
    blobs = [made.manifest, made.config, made.config, *(layer.blob for layer in made.layers)]
    assert brought == Brought(
        engine="Docker 28.5.2",
        identity=made.digest,
        reference="demo:cpu",
        way="pulled",
        moved=sum(blob.size for blob in blobs),
    )
    assert sorted(client.known) == sorted([made.digest, "demo:cpu"])
    assert client.loaded == b""


def test_only_the_changed_layer_travels(store: Store) -> None:
    client, before, after = FakeClient(), demo(store), demo(store, b"two")
    bring(daemon(client), before, store, SILENT)
    client.pulled.clear()
    bring(daemon(client), after, store, SILENT)
    assert client.pulled == [after.config.digest, after.layers[1].blob.digest]


@pytest.mark.parametrize("way", [facts(), facts(rootless=True)])
def test_a_name_that_was_another_projects(store: Store, tmp_path: Path, way: Facts) -> None:
    """A warning names that one, whichever way the image comes; its own older images are no news."""
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        (folder / "images/demo").mkdir(parents=True)
        (folder / "images/demo/mlimage.yaml").touch()
    first, second, third = (demo(store, content) for content in (b"1", b"2", b"3"))
    for made, project in ((first, one), (second, two), (third, two)):
        store.take_up(made, project)
    client = FakeClient()

    def brought(made: SealedImage) -> None:
        client.loads = dict.fromkeys((made.digest, "demo:cpu"), as_known(made, made.digest))
        bring(daemon(client, way), made, store, SILENT)
        assert client.known["demo:cpu"].layers == as_known(made, "").layers

    brought(first)
    with pytest.warns(MlimageWarning) as warned:
        brought(second)
    [said] = warned
    assert str(said.message) == (
        f"`demo:cpu` in Docker 28.5.2 meant the image of `{one}`, and means this one now; "
        "`mlimage run` runs each by its id"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        brought(third)
        brought(second)


@pytest.mark.parametrize("by", ["config", "manifest"])
def test_an_image_that_is_there_does_not_travel(store: Store, by: str) -> None:
    made = demo(store)
    digest = made.config.digest if by == "config" else made.manifest.digest
    client = FakeClient(known={digest: as_known(made, digest)})
    brought = bring(daemon(client), made, store, SILENT)
    assert (brought.identity, brought.way, brought.moved) == (digest, "there", 0)
    assert client.known["demo:cpu"].id == digest


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (facts(), None),
        (facts(address="ssh://me@gpu-box"), "the engine is on another machine"),
        (facts(product="podman"), "Podman asks for TLS, also on the loopback"),
        (facts(desktop=True), "the engine runs in a virtual machine, whose loopback is another"),
        (facts(rootless=True), "the loopback of a rootless engine is another"),
        (facts(containerd_store=False), None),
    ],
)
def test_which_engines_fetch(found: Facts, why: str | None) -> None:
    assert why_not_pull(found, host="linux") == why
    assert why_not_pull(found, host="darwin") is not None


def test_an_engine_that_cannot_fetch_gets_an_archive(store: Store) -> None:
    made = demo(store)
    client = FakeClient(loads={"id": as_known(made, "id")})
    brought = bring(daemon(client, facts(rootless=True)), made, store, SILENT)
    archive = b"".join(docker_archive_stream(made, store))
    assert (brought.identity, brought.way, brought.moved) == ("id", "loaded", len(archive))
    assert client.loaded == archive
    assert client.timeout == 60


def test_an_engine_that_does_not_reach_us_gets_an_archive(store: Store) -> None:
    made = demo(store)
    client = FakeClient(reaches=False, loads={"id": as_known(made, "id")})
    assert bring(daemon(client), made, store, SILENT).way == "loaded"


def test_another_image_of_the_same_name_is_not_taken(store: Store) -> None:
    client = FakeClient(loads={"other": FakeImage(id="other", layers=("other",))})
    with pytest.raises(RunError) as caught:
        bring(daemon(client, facts(rootless=True)), demo(store), store, SILENT)
    assert str(caught.value) == "Docker 28.5.2 took `demo:cpu`, but has another image now"


def test_a_pull_that_fails_leaves_nothing(store: Store) -> None:
    client, made = FakeClient(pull_error="write /x: no space left on device"), demo(store)
    with pytest.raises(RunError) as caught:
        bring(daemon(client), made, store, SILENT)
    assert str(caught.value) == "cannot bring `demo:cpu` into Docker 28.5.2: the disk of the engine is full"
    assert list(client.known) == [made.digest]
    assert client.loaded == b""


def test_a_damaged_store_is_named(store: Store) -> None:
    client, made = FakeClient(), demo(store)
    blob = made.layers[1].blob
    store.blob(blob.digest).write_bytes(b"x" * blob.size)
    with pytest.raises(BuildError) as caught:
        bring(daemon(client), made, store, SILENT)
    assert str(caught.value) == f"layer `app` in the store is damaged: {blob.digest}"
    assert client.known == {}


@pytest.mark.parametrize("name", ["Demo:cpu", "demo:-x", "de mo:cpu", "demo:" + "x" * 129])
def test_names_that_docker_refuses(store: Store, name: str) -> None:
    with pytest.raises(RunError) as caught:
        bring(daemon(FakeClient()), image(name), store, SILENT)
    assert str(caught.value) == f"`{name}` is no name that Docker takes"
    assert caught.value.hint == "rename it: lower-case letters and digits, joined by `.`, `_` or `-`"


@pytest.mark.parametrize("before", [None, "older"])
def test_a_failed_load_leaves_the_name_as_it_was(store: Store, before: str | None) -> None:
    """containerd names an image, and unpacks it then."""
    older = FakeImage(id="older", layers=("older",))
    known = {"older": older, "demo:cpu": older} if before else {}
    client, made = FakeClient(known=dict(known)), demo(store)

    def names_and_fails() -> None:
        with unchanged_on_failure(client, "demo:cpu"):
            client.known["demo:cpu"] = as_known(made, "half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        names_and_fails()
    assert client.known == known
