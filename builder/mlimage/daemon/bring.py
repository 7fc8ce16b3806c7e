"""A sealed image into a container engine: only the layers that it lacks, and nothing half-made."""

import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Literal

from mlimage.daemon.connect import Daemon, translated, without_haste
from mlimage.daemon.facts import Facts
from mlimage.daemon.images import find, forget, get, name, reference_of, unchanged_on_failure
from mlimage.daemon.loopback import Served, serving
from mlimage.errors import BuildError, MlimageWarning, RunError
from mlimage.oci.archive import archive_size, docker_archive_stream
from mlimage.oci.model import LayerBlob, SealedImage
from mlimage.oci.store import Store
from mlimage.progress import Progress, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """An image that the engine has.

    Attributes:
        engine: for people, `Docker 26.1.5`.
        identity: the id by which the engine knows it.
        reference: what it is called there, `NAME:VARIANT`: `docker run REFERENCE`.
        way: it was there, or was pulled from here, or loaded as one archive.
        moved: bytes that went to the engine.
    """

    engine: str
    identity: str
    reference: str
    way: Literal["there", "pulled", "loaded"]
    moved: int


class _UnreachableError(RunError):
    """The engine never came to our registry."""


def bring(daemon: Daemon, image: SealedImage, store: Store, progress: Progress) -> Brought:
    """Let the engine have the image under its name. A warning says where that was another project's image.

    An engine that can reach this machine's loopback pulls the layers that it lacks, by digest; another one is
    given the whole image as one archive. When it fails or is interrupted the engine has what it had.

    Args:
        daemon: the engine.
        image: what it shall have.
        store: has its blobs.
        progress: where it is shown.

    Raises:
        RunError: the engine does not take it, or takes no such name.
        BuildError: the store lacks a blob, or it is damaged.
    """
    reference = reference_of(image)
    before = get(daemon.client, reference)
    brought = _brought(daemon, image, reference, store, progress)
    if before is not None and before.id != brought.identity:
        _warn(before, image, brought, store)
    return brought


def _brought(daemon: Daemon, image: SealedImage, reference: str, store: Store, progress: Progress) -> Brought:
    found = find(daemon.client, image)
    if found is not None:
        name(daemon.client, found, reference)
        return Brought(engine=daemon.facts.title, identity=found, reference=reference, way="there", moved=0)
    why = why_not_pull(daemon.facts)
    if why is None:
        try:
            return _pulled(daemon, image, reference, store, progress)
        except _UnreachableError as error:
            why = error.message
    progress.detail(f"the whole image is loaded: {why}")
    return _loaded(daemon, image, reference, store, progress)


def _warn(before: Any, image: SealedImage, brought: Brought, store: Store) -> None:
    """Say that a name means another project's image no more."""
    builds = [build for build in store.builds() if build.name == image.name]
    own = {project for build in builds if build.manifest == image.manifest for project in build.projects}
    for build in builds:
        if not own or own & set(build.projects) or not build.owners:
            continue
        try:
            layers = [layer.diff_id for layer in store.load(build.manifest, name=build.name).layers]
        except BuildError:  # it can no longer be told which it is
            continue
        if layers == before.attrs["RootFS"]["Layers"]:
            warnings.warn(
                MlimageWarning(
                    f"`{brought.reference}` in {brought.engine} meant the image of `{build.owners[0]}`, and "
                    "means this one now; `mlimage run` runs each by its id"
                ),
                stacklevel=3,
            )


def why_not_pull(facts: Facts, *, host: str = sys.platform) -> str | None:
    """Why this engine cannot fetch from mlimage, None when it can. Pure.

    Args:
        facts: what the engine is.
        host: this machine's `sys.platform`.
    """
    if not facts.local:
        return "the engine is on another machine"
    if facts.product == "podman":
        return "Podman asks for TLS, also on the loopback"
    if facts.desktop or host != "linux":
        return "the engine runs in a virtual machine, whose loopback is another"
    if facts.rootless:
        return "the loopback of a rootless engine is another"
    return None


def _pulled(daemon: Daemon, image: SealedImage, reference: str, store: Store, progress: Progress) -> Brought:
    client = daemon.client
    with (
        progress.task(
            f"loading {image.name} into {daemon.facts.title}", total=archive_size(image), unit="bytes"
        ) as task,
        serving(image, store, advance=task.advance) as served,
    ):
        try:
            _pull(daemon, image, served, task, progress)
            name(client, served.reference, reference)
        finally:
            forget(client, served.reference)
    found = find(client, image)
    if found is None:
        raise _lost(image, daemon)
    return Brought(
        engine=daemon.facts.title, identity=found, reference=reference, way="pulled", moved=served.moved
    )


def _pull(daemon: Daemon, image: SealedImage, served: Served, task: Task, progress: Progress) -> None:
    layers = {layer.blob.digest.hex[:12]: layer for layer in image.layers}
    try:
        with translated(f"cannot bring `{image.name}` into {daemon.facts.title}"):
            events = daemon.client.api.pull(
                served.repository,
                tag=str(image.digest),
                platform=str(image.platform),
                stream=True,
                decode=True,
            )
            with closing(events):
                _follow(events, layers, task, progress)
    except RunError as error:
        if served.failure is not None:
            raise served.failure from error
        if not served.asked:
            raise _UnreachableError(error.message) from error
        raise


def _follow(
    events: Iterable[Mapping[str, Any]], layers: Mapping[str, LayerBlob], task: Task, progress: Progress
) -> None:
    """Show a stream of `POST /images/create`, and raise what it ends with when that is an error."""
    from docker.errors import APIError

    for event in events:
        if "error" in event:
            raise APIError("the pull failed", explanation=str(event["error"]))
        layer, status = layers.get(event.get("id", "")), event.get("status")
        if layer is None:
            continue
        if status == "Already exists":
            task.advance(layer.blob.size)
            progress.detail(f"layer {layer.name}: already there")
        elif status == "Download complete":
            progress.detail(f"layer {layer.name}: {layer.blob.size / 1e6:.1f} MB")


def _loaded(daemon: Daemon, image: SealedImage, reference: str, store: Store, progress: Progress) -> Brought:
    moved = 0
    with (
        progress.task(
            f"loading {image.name} into {daemon.facts.title}", total=archive_size(image), unit="bytes"
        ) as task,
        unchanged_on_failure(daemon.client, reference),
        translated(f"cannot load `{image.name}` into {daemon.facts.title}"),
        without_haste(daemon.client),
    ):

        def counted() -> Iterator[bytes]:
            nonlocal moved
            for chunk in docker_archive_stream(image, store):
                yield chunk
                moved += len(chunk)
                task.advance(len(chunk))

        names = [loaded.id for loaded in daemon.client.images.load(counted())]
    found = find(daemon.client, image, names)
    if found is None:
        raise _lost(image, daemon)
    name(daemon.client, found, reference)
    return Brought(engine=daemon.facts.title, identity=found, reference=reference, way="loaded", moved=moved)


def _lost(image: SealedImage, daemon: Daemon) -> RunError:
    return RunError(
        f"{daemon.facts.title} took `{image.name}`, but has another image now",
        hint="`mlimage cache verify` checks the store; `docker system df` shows whether its disk is full",
    )
