"""Probes of this machine in processes of their own, as images run them, with the libraries' switches set."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from mlimage import resources
from mlimage.runtime.probe.record import parse_record

PROGRAM = (sys.executable, str(resources.runtime() / "__main__.py"))
"""How the entry point starts the words, with this python."""
PLAIN = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}


def word(
    *arguments: str, python: Sequence[str] = PROGRAM, **switches: str
) -> "subprocess.CompletedProcess[str]":
    """Run a word of the entry point."""
    return subprocess.run(
        [*python, *arguments],
        env={**os.environ, **PLAIN, **switches},
        capture_output=True,
        text=True,
        check=False,
    )


def probed(*arguments: str, python: Sequence[str] = PROGRAM, **switches: str) -> dict[str, Any]:
    """The record of a probe that must succeed."""
    done = word("probe", "--save", "-", *arguments, python=python, **switches)
    assert done.returncode == 0, done.stderr
    return parse_record(done.stdout.encode())


def fingerprinted(**switches: str) -> dict[str, Any]:
    """The fingerprint of this machine."""
    done = word("fingerprint", "--json", **switches)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
