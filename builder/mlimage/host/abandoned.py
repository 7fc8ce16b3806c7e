"""Containers of runs that were killed, for which nobody waits any more: the next run removes them."""

import fcntl
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from signal import SIGKILL
from typing import Any, Final

from mlimage.cache import Cache
from mlimage.daemon.connect import Daemon, translated
from mlimage.errors import RunError

CLIENT_LABEL: Final = "dev.mlimage.client"
"""Label of a container: the name of the lock that the process holds that waits for it."""
_NAME: Final = re.compile(r"run-[0-9a-f]{16}")


@contextmanager
def client_name(cache: Cache) -> Iterator[str | None]:
    """The name of a lock that is held while the block runs, by the kernel's word; None where none can be."""
    name = f"run-{token_hex(8)}"
    path = _folder(cache) / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("wb")
    except OSError:  # who cannot write to the cache leaves its container to nobody else
        yield None
        return
    with stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        try:
            yield name
        finally:
            path.unlink(missing_ok=True)


def remove_abandoned(daemon: Daemon, cache: Cache, say: Callable[[str], None]) -> None:
    """Remove containers whose process is gone, as far as this cache knows them, and say so.

    What another machine or cache has started is unknown here, and stays.
    """
    with suppress(RunError), translated("cannot list the containers"):
        filters = {"label": CLIENT_LABEL}
        for container in daemon.client.containers.list(all=True, filters=filters, sparse=True):
            name = container.attrs["Labels"][CLIENT_LABEL]
            if _NAME.fullmatch(name):
                _remove(container, _folder(cache) / name, say)


def _remove(container: Any, path: Path, say: Callable[[str], None]) -> None:
    with suppress(OSError), path.open("rb") as stream:  # unknown, or held
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        remove(container, running=True)
        path.unlink(missing_ok=True)
        say(f"removed container {container.id[:12]}, left by a run that was killed")


def remove(container: Any, *, running: bool) -> None:
    """Remove a container; raises `RunError`.

    Args:
        container: of the Docker SDK.
        running: it may run still, and is killed: podman would ask it to end first, and wait for ten seconds.
    """
    if running:
        with suppress(RunError), translated("cannot kill the container"):
            container.kill(signal=SIGKILL)
    with translated("cannot remove the container"):
        container.remove(force=True, v=True)


def _folder(cache: Cache) -> Path:
    return cache.root / "locks"
