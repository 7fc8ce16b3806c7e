"""Run `inside.survey` in an image: without a network, in the environment that its programs get."""

import json
import os
from typing import Any, Final

from mlimage.cache import Cache
from mlimage.errors import BuildError
from mlimage.host.ask import shut_in
from mlimage.host.choose import Choice
from mlimage.host.contract import User, read_contract
from mlimage.host.folders import default_user
from mlimage.host.imports.findings import Findings, read_findings
from mlimage.host.launch import launch
from mlimage.host.output import kept_by
from mlimage.host.request import RunRequest
from mlimage.oci.model import SealedImage
from mlimage.oci.store import Store
from mlimage.progress import Progress, Task

SECONDS: Final = 180.0
"""For one module: `import tensorflow` takes 20 s from a cold disk."""
_AT_ONCE: Final = 8
"""Modules, each of which may take half a gigabyte of memory."""
_LARGEST: Final = 16 << 20


def survey(
    image: SealedImage,
    packages: tuple[str, ...],
    choice: Choice,
    *,
    programs: tuple[str, str],
    store: Store,
    cache: Cache,
    progress: Progress,
) -> Findings:
    """Import what these packages bring.

    Args:
        image: has them.
        packages: normalized names.
        choice: where the image runs.
        programs: the texts of `inside.survey` and `inside.attempt`.
        store: has the image.
        cache: where the sandbox's files are kept.
        progress: where it is shown.

    Raises:
        RunError: the image cannot be run here.
        BuildError: it runs, and its python does not do this.
    """
    own = User(os.geteuid(), os.getegid())
    contract = read_contract(image, store)
    user = default_user(own, contract.user)
    program, attempt = programs
    request = {
        "packages": packages,
        "attempt": attempt,
        "without": contract.working_directory,
        "seconds": SECONDS,
        "jobs": _AT_ONCE,
    }
    run = RunRequest(
        image=image,
        contract=contract,
        arguments=("python", "-c", program, json.dumps(request)),
        user=user,
        as_person=user == own,
    )
    heard: list[str] = []
    with progress.task(f"importing what {image.name} depends on", total=len(packages)) as task:
        events = _Events(task, frozenset(packages))
        with kept_by(events) as output:
            status = launch(
                shut_in(run, 60 + SECONDS * len(packages)),
                choice,
                store=store,
                cache=cache,
                progress=progress,
                say=heard.append,
                output=output,
            )
    try:
        return read_findings(events.found, packages)
    except ValueError as error:
        raise BuildError(
            f"the python of `{image.name}` did not import what the spec depends on: it ended with status "
            f"{status}",
            hint=(heard[-1] if status > 128 and heard else "its last lines above should say why")
            + "; `--no-check` leaves it out",
        ) from error


class _Events:
    """Reads the events of a survey from its output, as they come; other lines are those of the image."""

    def __init__(self, task: Task, packages: frozenset[str]) -> None:
        self.found: list[dict[str, Any]] = []
        self._task = task
        self._waiting = set(packages)
        self._rest = b""
        self._size = 0

    def take(self, piece: bytes) -> bool:
        self._size += len(piece)
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            self._hear(line)
        return self._size <= _LARGEST

    def _hear(self, line: bytes) -> None:
        try:
            event = json.loads(line)
        except ValueError:
            return
        if not isinstance(event, dict) or "event" not in event:
            return
        self.found.append(event)
        if event.get("package") in self._waiting:
            self._waiting.discard(event["package"])
            self._task.advance(1)
