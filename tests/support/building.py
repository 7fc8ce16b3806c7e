"""Builds the shipped image the way a user does, in a copy of the project, and says what it is."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from mlimage.cache import Cache
from support.machine import ROOT

IMAGE: Final = "digits-sklearn"
MLIMAGE: Final = str(Path(sys.executable).with_name("mlimage"))


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
) -> dict[str, str]:
    """Build and return image id and digest."""
    done = subprocess.run(
        [*prefix, MLIMAGE, "build", image, "--json", *options],
        cwd=project,
        env={**os.environ, "MLIMAGE_CACHE": str(cache.root), **(env or {})},
        umask=umask,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    [built] = json.loads(done.stdout)
    return {"digest": built["digest"], "image_id": built["image_id"]}
