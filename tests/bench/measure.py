"""Runs a command and says how long it took and how much memory its processes held."""

import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

MLIMAGE: Final = str(Path(sys.executable).with_name("mlimage"))
COUNT: Final = int(os.environ.get("MLIMAGE_BENCH_RUNS", "3"))
"""How often each thing is measured, at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run: wall seconds, the most memory that all its processes held at once (bytes), and its output."""

    seconds: float
    memory: int
    stdout: str


def timed(argv: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Run:
    """Run to the end; a command that fails ends the benchmark with what it said."""
    started = time.perf_counter()
    with subprocess.Popen(
        argv,
        env={**os.environ, **(env or {})},
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        watch = _Watch(process.pid)
        watch.start()
        stdout, stderr = process.communicate()
        seconds = time.perf_counter() - started
        watch.stop()
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(argv)} ended with {process.returncode}:\n{stdout}{stderr}")
    return Run(seconds=seconds, memory=watch.peak, stdout=stdout)


def one_after_another(runs: Sequence[Run]) -> Run:
    """Several runs as one."""
    return Run(
        seconds=sum(run.seconds for run in runs),
        memory=max(run.memory for run in runs),
        stdout="".join(run.stdout for run in runs),
    )


def alternate(count: int, *kinds: Callable[[], Run]) -> list[list[Run]]:
    """Run the kinds in turn, `count` times, so that a machine that slows down slows all of them: A B A B …"""
    runs: list[list[Run]] = [[] for _ in kinds]
    for _ in range(count):
        for kind, into in zip(kinds, runs, strict=True):
            into.append(kind())
    return runs


def own(runs: Sequence[Run]) -> dict[str, Any]:
    """Median and all of the seconds, and the most memory."""
    return {
        "seconds": round(statistics.median([run.seconds for run in runs]), 3),
        "all_seconds": [round(run.seconds, 3) for run in runs],
        "peak_memory_bytes": max(run.memory for run in runs),
    }


def pair(ours: Sequence[Run], theirs: Sequence[Run]) -> dict[str, Any]:
    """The same with a peer's seconds, and the median of the ratios of runs in turn."""
    ratios = [one.seconds / other.seconds for one, other in zip(ours, theirs, strict=True)]
    return {
        **own(ours),
        "peer_seconds": round(statistics.median([run.seconds for run in theirs]), 3),
        "all_peer_seconds": [round(run.seconds, 3) for run in theirs],
        "ratio": round(statistics.median(ratios), 3),
    }


class _Watch(threading.Thread):
    """Adds up the resident memory of a process and its descendants, every 50 ms."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self._pid = pid
        self._done = threading.Event()

    def run(self) -> None:
        while not self._done.wait(0.05):
            self.peak = max(self.peak, sum(_resident(pid) for pid in _tree(self._pid)))

    def stop(self) -> None:
        self._done.set()
        self.join()


def _tree(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        try:
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0
