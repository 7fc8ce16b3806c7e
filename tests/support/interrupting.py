"""Signals to a running `mlimage`, as people, CI systems and closed terminals send them; nothing may stay."""

import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mlimage.atomic import PARTIAL

WATCHDOG: Final = 15.0
"""Seconds after which what was interrupted must have ended, on the slowest machine."""
_COMES: Final = 120.0
"""Seconds until the moment of the signal must have come."""
_APART: Final = 0.05
"""Seconds between two signals of an impatient person."""
_RESUMED: Final = re.compile(re.escape(PARTIAL) + r"[0-9a-f]{64}")
"""A transfer that the next run resumes."""
SAID: Final = {
    signal.SIGINT: "interrupted",
    signal.SIGTERM: "terminated",
    signal.SIGHUP: "terminated: the terminal was closed",
}
ENDINGS: Final = (
    (signal.SIGINT,),
    (signal.SIGTERM,),
    (signal.SIGHUP,),
    (signal.SIGINT, signal.SIGINT, signal.SIGINT),
    (signal.SIGTERM, signal.SIGHUP, signal.SIGINT),
)
"""What ends a run: one signal, or a person, or a CI system, that does not wait."""


@dataclass(frozen=True, kw_only=True)
class Running:
    """A run of `mlimage`, out of reach of this terminal.

    Attributes:
        process: the run.
        temporary: its TMPDIR.
        errors: the file of its standard error.
    """

    process: "subprocess.Popen[bytes]"
    temporary: Path
    errors: Path
    family: dict[int, str] = field(default_factory=dict)

    @property
    def said(self) -> str:
        """Its standard error until now."""
        return self.errors.read_text()

    def until(self, now: Callable[[], bool]) -> None:
        """Wait for a moment."""
        limit = time.monotonic() + _COMES
        while not now():
            assert self.process.poll() is None, self.said
            assert time.monotonic() < limit, self.said
            time.sleep(0.002)

    def send(self, *signals: int) -> None:
        """Send them, shortly after each other."""
        self.family.update(descendants(self.process.pid))
        for number in signals:
            with suppress(ProcessLookupError):
                self.process.send_signal(number)
            time.sleep(_APART)

    def end(self, *signals: int, places: Sequence[Path] = ()) -> str:
        """Send them, and see that the run ends with the first one's status and leaves nothing behind.

        Args:
            signals: the first one counts.
            places: folders in which nothing unfinished may be.

        Returns:
            what it said before its last line.
        """
        self.send(*signals)
        assert self.process.wait(WATCHDOG) == 128 + signals[0], self.said
        before, _, last = self.said.removesuffix("\n").rpartition("\n")
        assert last == SAID[signal.Signals(signals[0])]
        self.is_gone()
        left = [path for place in places for path in place.rglob(f"{PARTIAL}*")]
        assert [path for path in left if not _RESUMED.fullmatch(path.name)] == []
        assert list(self.temporary.iterdir()) == []
        return before

    def is_gone(self) -> None:
        """See that none of its processes goes on."""
        limit = time.monotonic() + 5  # whoever buries orphans may take a moment
        while left := {pid: text for pid, text in self.family.items() if _stat(pid)[:2] == (text, True)}:
            assert time.monotonic() < limit, left
            time.sleep(0.02)


@contextmanager
def running(
    command: Sequence[str], *, folder: Path, environ: Mapping[str, str], temporary: Path
) -> Iterator[Running]:
    """Start a run, in `folder`, with a TMPDIR of its own that `temporary` becomes."""
    temporary.mkdir(mode=0o755)
    errors = temporary.with_name(f"{temporary.name}.said")
    with errors.open("wb") as stream:
        process = subprocess.Popen(
            # As a shell starts programs, also where these tests run in the background.
            ["env", "--default-signal=INT,TERM,HUP", *command],
            cwd=folder,
            env={**environ, "TMPDIR": str(temporary)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stream,
            start_new_session=True,
        )
    try:
        yield Running(process=process, temporary=temporary, errors=errors)
    finally:
        process.kill()
        process.wait()


def descendants(pid: int) -> dict[int, str]:
    """Processes that this one has started, and theirs; each with the time of its start."""
    parents = {int(path.name): _stat(int(path.name)) for path in Path("/proc").glob("[0-9]*")}
    found: dict[int, str] = {}
    waiting = [pid]
    while waiting:
        parent = waiting.pop()
        for child, (started, lives, its) in parents.items():
            if its == parent and lives:
                found[child] = started
                waiting.append(child)
    return found


def _stat(pid: int) -> tuple[str, bool, int]:
    """When a process was started, whether it lives, and its parent; proc_pid_stat(5)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "", False, 0
    return fields[19], fields[0] not in "ZX", int(fields[1])
