"""Programs of this machine or of an engine's, which a test needs."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest


def program(
    name: str, *arguments: str | Path, stdin: bytes | None = None, environ: Mapping[str, str] = os.environ
) -> str:
    """Run a program that must succeed; returns what it wrote."""
    found = shutil.which(name, path=environ["PATH"])
    if found is None:
        pytest.fail(f"this test needs the program `{name}`: make engine-up")
    done = subprocess.run(
        [found, *map(str, arguments)], input=stdin, capture_output=True, check=False, env=dict(environ)
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()
