"""Builds the shipped images the way a user does, in a copy of the project, and says what it is."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest

from mlimage.cache import Cache
from support.indexes import mirrors_of_wheels
from support.machine import ROOT

IMAGE: Final = "digits-sklearn"
"""The one that stands for all where any will do."""
IMAGES: Final = sorted(file.parent.name for file in (ROOT / "images").glob("*/mlimage.yaml"))
MLIMAGE: Final = str(Path(sys.executable).with_name("mlimage"))

_HEAVY: Final = 200_000_000
"""Bytes of an image's wheels from which on tests that build it with Docker have the marker `heavy`."""


def _is_heavy(image: str) -> bool:
    lock = tomllib.loads((ROOT / "lockfiles" / image / "cpu.toml").read_text())
    size: int = sum(package["size"] for package in lock["package"])
    return size >= _HEAVY


WITH_DOCKER: Final = [
    pytest.param(image, marks=[pytest.mark.heavy] if _is_heavy(image) else []) for image in IMAGES
]
"""`IMAGES`, as parameters of tests that build them with Docker."""


def project_at(folder: Path, image: str = IMAGE) -> Path:
    """A copy of the project in this folder, with that one image and its lock."""
    for part in ("images", "lockfiles"):
        shutil.copytree(
            ROOT / part / image, folder / part / image, ignore=shutil.ignore_patterns("__pycache__")
        )
    return folder


def build(
    project: Path,
    cache: Cache,
    *,
    image: str = IMAGE,
    prefix: Sequence[str] = (),
    options: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    umask: int = 0o022,
    checked: bool = False,
) -> dict[str, str]:
    """Build and return image id and digest; `checked` also imports there what the spec depends on."""
    done = subprocess.run(
        [
            *prefix,
            MLIMAGE,
            "build",
            image,
            "--variant",
            "cpu",
            "--json",
            *(() if checked else ("--no-check",)),
            *options,
        ],
        cwd=project,
        env={**os.environ, **mirrors_of_wheels(image), **(env or {}), "MLIMAGE_CACHE": str(cache.root)},
        umask=umask,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    [built] = json.loads(done.stdout)
    return {"digest": built["digest"], "image_id": built["image_id"]}
