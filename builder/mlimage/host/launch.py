"""A request to its end: choose where it runs, bring the image there, start it, stay with it."""

import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from mlimage.cache import Cache
from mlimage.daemon.bring import bring
from mlimage.daemon.facts import Facts, emulation, need_limits
from mlimage.daemon.gpus import way_to_gpus
from mlimage.errors import RunError
from mlimage.host import docker, outlet, sandbox
from mlimage.host.abandoned import client_name, remove_abandoned
from mlimage.host.choose import Choice
from mlimage.host.gpus import has_gpu, requests_of
from mlimage.host.ports import free_port
from mlimage.host.reach import Server
from mlimage.host.request import LOOPBACK, Port, RunRequest
from mlimage.host.session import supervise
from mlimage.oci.store import Store
from mlimage.oci.unpack import is_unpacked, unpacked_in_use
from mlimage.progress import SILENT, Progress, Task


def launch(
    request: RunRequest,
    choice: Choice,
    *,
    store: Store,
    cache: Cache,
    progress: Progress,
    say: Callable[[str], None],
    warn: Callable[[str], None] | None = None,
    output: BinaryIO | None = None,
    meanwhile: Callable[[Server], None] | None = None,
    pass_signals: bool = False,
) -> int:
    """Run the request and return its exit status.

    Args:
        request: what to run.
        choice: where.
        store: has the image.
        cache: where the sandbox's files are kept.
        progress: where loading and unpacking are shown.
        say: shows the user a line.
        warn: shows one that says what goes wrong; `say` when None.
        output: a file that gets its standard output; mlimage's own when None.
        meanwhile: what is done with a server once it is healthy, which then ends.
        pass_signals: whether what runs gets the signals that come; else they end mlimage, and it with it.

    Raises:
        RunError: it cannot be run, or is a server that did not get healthy.
        BuildError: the image is damaged in the store.
    """
    daemon = choice.daemon
    if daemon is not None:
        remove_abandoned(daemon, cache, say)  # which may have the port
    way_out = None if daemon else sandbox.outlet_for(request)
    if request.port is not None:
        if daemon is not None and not daemon.facts.local:
            raise RunError(
                f"the Docker daemon at {daemon.facts.address} is on another machine, as the server would be",
                hint="--runtime sandbox serves from here; `mlimage build --output docker-archive:FILE` and "
                "`docker load` bring the image there",
            )
        request = replace(request, port=_place(request, request.port, choice, way_out))
    if daemon is not None:
        if request.limits.memory is not None or request.limits.cpus is not None:
            need_limits(daemon.facts)
        emulated = emulation(daemon.facts, request.image.platform)
        if emulated:
            say(emulated)
        devices, note = _gpus(request, daemon.facts)
        if note:
            say(note)
        identity = bring(daemon, request.image, store, progress).identity
        streams = docker.Output(stdout=output or sys.stdout.buffer, stderr=sys.stderr.buffer)
        with (
            client_name(cache) as client,
            docker.started(request, daemon, identity, streams, devices=devices, client=client) as container,
        ):
            return supervise(
                container, request, say=say, warn=warn, meanwhile=meanwhile, pass_signals=pass_signals
            )
    _, note = _gpus(request, None)
    if note:
        say(note)
    with ExitStack() as stack:
        with _unpacking(request, cache, progress) as task:
            root = stack.enter_context(unpacked_in_use(request.image, store, cache, advance=task.advance))
        descriptor = output.fileno() if output else None
        with sandbox.started(request, root, say=say, output=descriptor, outlet=way_out) as started:
            return supervise(
                started, request, say=say, warn=warn, meanwhile=meanwhile, pass_signals=pass_signals
            )


def _place(request: RunRequest, port: Port, choice: Choice, way_out: outlet.Outlet | None) -> Port:
    """Where the server will be reached, which must be free."""
    if choice.daemon is None and not request.network:
        # In a network of its own there is nobody else, and the server's own port is the one that it heeds.
        return replace(port, address=LOOPBACK, number=port.inside)
    number = free_port(port.address, port.number)
    # Where the network is this machine's, the server itself must listen there.
    own = choice.daemon is not None or way_out is not None
    return replace(port, number=number, inside=port.inside if own else number)


def _gpus(request: RunRequest, facts: Facts | None) -> tuple[tuple[dict[str, Any], ...], str | None]:
    way = way_to_gpus(facts) if facts and request.gpus else None
    return requests_of(request.gpus, facts, way, here=has_gpu())


def _unpacking(request: RunRequest, cache: Cache, progress: Progress) -> AbstractContextManager[Task]:
    if is_unpacked(request.image, cache):
        progress = SILENT
    size = sum(layer.uncompressed_size for layer in request.image.layers)
    return progress.task(f"unpacking {request.image.name} for the sandbox", total=size, unit="bytes")


def dry_run(request: RunRequest, choice: Choice, cache: Cache) -> dict[str, Any]:
    """What `launch` would tell Docker or `unshare`, as a JSON value; nothing is loaded or started."""
    daemon = choice.daemon
    if daemon is not None:
        devices, _ = _gpus(request, daemon.facts)
        settings = docker.creation(
            request, image=request.image.image_id, rootless=daemon.facts.rootless, devices=devices
        )
        return {"runtime": "docker", "daemon": daemon.facts.address, "containers.create": settings}
    machine = sandbox.this_machine()
    root = cache.unpacked / request.image.image_id.hex
    scratch = None if request.read_only else Path(tempfile.gettempdir(), "mlimage-sandbox-…")
    way_out = sandbox.outlet_for(request)
    folder = Path(tempfile.gettempdir(), "mlimage-network-…")
    nameservers = folder / "resolv.conf" if way_out else None
    told = sandbox.settings(
        request, machine, root=root, scratch=scratch, cgroup=None, nameservers=nameservers
    )
    said = {
        "runtime": "sandbox",
        "command": list(sandbox.command(machine, 3, 4, None if told.network else 5).argv),
        "settings": told.as_dict(),
    }
    if way_out and request.port:
        said["outlet"] = list(outlet.command(way_out, request.port, "PROCESS", folder).argv)
    return said
