"""Asks for what the resolver will probably want next, while it is still busy with what it has.

The resolver asks for one thing at a time. This walks the same requirements ahead of it, taking the newest
wheel of each project, with several requests at once. A wrong guess costs a request; nothing is decided here.
"""

import queue
import threading
import time
from collections.abc import Iterable
from email.parser import BytesHeaderParser
from typing import Final, Self

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from mlimage.lock.files import IndexFile
from mlimage.lock.offer import Offer

_WORKERS: Final = 8
_GRACE: Final = 1.0
"""Seconds that the last answers are waited for."""


class Prefetch:
    """A few threads that walk ahead while the block runs.

    Args:
        offer: keeps what comes, for who asks later.
    """

    def __init__(self, offer: Offer) -> None:
        self._offer = offer
        self._lock = threading.Lock()
        self._asked: set[str] = set()
        self._ended = threading.Event()
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        # Daemons, not a pool: nobody waits for a guess that a silent server holds up.
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(_WORKERS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for _thread in self._threads:
            self._queue.put(None)
        until = time.monotonic() + _GRACE
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def want(self, projects: Iterable[str]) -> None:
        """These will be asked for soon; returns at once."""
        with self._lock:
            for project in projects:
                name = canonicalize_name(project)
                if name not in self._asked:
                    self._asked.add(name)
                    self._queue.put(name)

    def _work(self) -> None:
        while (project := self._queue.get()) is not None:
            if not self._ended.is_set():
                self._walk(project)

    def _walk(self, project: str) -> None:
        try:
            newest = _newest(self._offer.files(project))
            if newest is not None and not self._ended.is_set():
                self.want(_required(self._offer.metadata(newest)))
        except Exception:  # noqa: BLE001 - a guess; who really needs it meets the same error, and reports it
            return


def _newest(files: Iterable[IndexFile]) -> IndexFile | None:
    stable = {
        version: file
        for file in files
        if not (version := parse_wheel_filename(file.filename)[1]).is_prerelease and file.yanked is None
    }
    return stable[max(stable)] if stable else None


def _required(metadata: bytes) -> set[str]:
    """Names of what a wheel requires without extras, by this machine's markers: near enough for a guess."""
    found: set[str] = set()
    for text in BytesHeaderParser().parsebytes(metadata).get_all("Requires-Dist", []):
        try:
            requirement = Requirement(str(text))
        except InvalidRequirement:
            continue
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            found.add(requirement.name)
    return found
