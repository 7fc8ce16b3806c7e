"""A server for as long as something is done with it."""

from collections.abc import Callable
from typing import Final

from mlimage.cache import Cache
from mlimage.errors import RunError
from mlimage.host.choose import Choice
from mlimage.host.contract import Contract
from mlimage.host.launch import launch
from mlimage.host.output import Tail, kept_by
from mlimage.host.reach import Server
from mlimage.host.request import RunRequest
from mlimage.oci.store import Store
from mlimage.progress import Progress

_TAIL: Final = 4000
"""Bytes of what a server wrote last that are shown when it fails."""


def no_server(contract: Contract) -> str | None:
    """Why an image has no server that can be waited for; None where it has one."""
    server = contract.roles.roles.get("serve")
    if server is None:
        return "the image has no `serve` role"
    lacking = [name for name, value in (("port", server.port), ("health", server.health)) if value is None]
    return f"its `serve` role has no {' and no '.join(f'`{name}`' for name in lacking)}" if lacking else None


def serve_for(
    work: Callable[[Server], None],
    request: RunRequest,
    choice: Choice,
    *,
    store: Store,
    cache: Cache,
    progress: Progress,
) -> None:
    """Start a server, do the work once it is healthy, and end it; what it writes is shown where it fails.

    Raises:
        RunError: it cannot be run, is not healthy in time, or ends before the work is done.
    """
    tail = Tail(_TAIL)
    try:
        with kept_by(tail) as output:
            launch(
                request,
                choice,
                store=store,
                cache=cache,
                progress=progress,
                say=progress.detail,
                warn=progress.note,
                output=output,
                meanwhile=work,
            )
    except RunError:
        for line in tail.content.decode(errors="replace").splitlines():
            progress.note(line)
        raise
