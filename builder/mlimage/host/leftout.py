"""What of a project is not in its image: a program that fails for it can then say why, and what mends it."""

import json
import os
from itertools import islice
from pathlib import Path
from typing import Final

from mlimage.content import app
from mlimage.errors import MlimageError
from mlimage.spec.files import ignored_by
from mlimage.spec.nodes import text_at
from mlimage.spec.source import read_yaml

_MOST: Final = 100
"""Paths of each kind: it is a variable, and a project with more has few that a program asks for."""
_OWN: Final = frozenset({"images", "lockfiles", "mlimage.yaml", "models"})
"""What a project has for mlimage alone."""


def left_out(root: Path, image: str) -> str:
    """The value of `runtime.paths.LEFT_OUT`; empty where there is nothing, or no such image.

    Args:
        root: the project.
        image: name of the image.
    """
    folder = root / "images" / image
    try:
        document, _ = read_yaml((folder / "mlimage.yaml").read_bytes(), path="mlimage.yaml")
        source = os.path.normpath(text_at(document, ("app", "source")) or "app")
        patterns = ignored_by(document, folder / source, source, [])
        ignored = [path.rstrip("/") for path in app.left_out(folder / source, patterns)[:_MOST]]
        beside = {name: f"../../{name}" for name in _names(root)}
        if source != ".":
            beside |= {name: name for name in _names(folder) if name != source.partition("/")[0]}
    except (OSError, MlimageError):  # whoever builds it is told
        return ""
    said = {"ignored": ignored, "beside": dict(islice(sorted(beside.items()), _MOST))}
    return json.dumps({key: value for key, value in said.items() if value}) if any(said.values()) else ""


def _names(folder: Path) -> list[str]:
    with os.scandir(folder) as listing:
        return [item.name for item in listing if item.name not in _OWN and not item.name.startswith(".")]
