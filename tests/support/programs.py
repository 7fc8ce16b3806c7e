"""Other programs that read and write what mlimage does."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def program(name: str, *arguments: str | Path, stdin: bytes | None = None) -> str:
    """Run a program that must succeed; returns what it wrote."""
    if shutil.which(name) is None:
        pytest.fail(f"this test needs the program `{name}`: make engine-up")
    done = subprocess.run(
        [name, *map(str, arguments)], input=stdin, capture_output=True, check=False, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()
