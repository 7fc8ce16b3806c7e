"""A small image to push, and whether all of it arrived."""

import hashlib
import json
import random
from collections.abc import Iterator, Sequence
from typing import Final

import pytest

from mlimage.content.entry import file_of_bytes
from mlimage.digest import Digest
from mlimage.fetch import Http, Retry
from mlimage.oci.destination import Destination
from mlimage.oci.login import Logins
from mlimage.oci.model import SealedImage
from mlimage.oci.store import Store
from mlimage.process import Command, Completed
from mlimage.progress import SILENT
from mlimage.release.index import Member, content_tag, index_of
from mlimage.release.push import Pushed, push
from mlimage.release.target import repository_of
from mlimage.spec.tags import ImageTag
from support.faultyregistry import FaultyRegistry
from support.sealing import CREATED, sealed

QUICK: Final = Retry(attempts=8, sleep=lambda _: None)


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with an image to push."""
    return Store(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="session")
def pushable(source: Store) -> SealedImage:
    """The image in that store."""
    return image_in(source)


def image_in(store: Store) -> SealedImage:
    """Make the image: its layers are small, or large enough to be sent in parts."""
    noise = random.Random(5)  # noqa: S311 - only to be hard to compress
    return sealed(
        store,
        base=[file_of_bytes("base", noise.randbytes(1_500_000), origin="t")],
        numpy=[file_of_bytes("numpy", noise.randbytes(1_200_000), origin="t")],
        app=[file_of_bytes("app", b"print()", origin="t")],
    )


@pytest.fixture
def quick() -> Iterator[Http]:
    """A client that is soon done with trying again."""
    with Http(retry=QUICK, read_timeout=5) as client:
        yield client


def destination(
    registry: FaultyRegistry | str, http: Http, name: str = "demo", *, sources: Sequence[str] = ()
) -> Destination:
    """Its repository `team/NAME`."""
    host = registry if isinstance(registry, str) else registry.host
    return Destination(
        repository_of(f"{host}/team", name),
        http=http,
        logins=Logins({}, run=_none),
        note=lambda _: None,
        sources=sources,
        retry=QUICK,
    )


def _none(_: Command) -> Completed:
    raise AssertionError


def pushed(
    image: SealedImage, store: Store, to: Destination, *, tags: Sequence[str] = (), force: bool = False
) -> Pushed:
    """Push the image."""
    index = index_of([Member(image=image, tag=ImageTag(variant="cpu"), accelerator="cpu")], title="demo")
    return push(
        index,
        [image],
        content_tag=content_tag([image], CREATED),
        tags=tags,
        force=force,
        destination=to,
        store=store,
        progress=SILENT,
        title="registry/team/demo",
    )


def whole(registry: FaultyRegistry, image: SealedImage, name: str = "team/demo") -> bool:
    """Whether all that a name leads to is there, and right."""
    for (_, digest), content in list(registry.blobs.items()):  # a request may still be obeyed
        assert digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
    for (repository, selector), (_, content) in list(registry.manifests.items()):
        assert not selector.startswith("sha256:") or selector == Digest.of(content)
        for entry in json.loads(content).get("manifests", ()):
            assert (repository, entry["digest"]) in registry.manifests
    named = [selector for repository, selector in registry.manifests if repository == name]
    blobs = {blob for repository, blob in registry.blobs if repository == name}
    wanted = {layer.blob.digest for layer in image.layers} | {image.config.digest}
    if content_tag([image], CREATED) in named:
        assert wanted <= blobs
        return True
    return False
