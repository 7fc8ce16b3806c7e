"""The manifest of a golden record in a project, and the digest beside it that holds it."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlimage.errors import reason_of
from mlimage.regular import listing, read_inside

FOLDER: Final = "golden"
"""Of the record, in the image's folder of locks."""
MANIFEST: Final = "manifest.json"
DIGEST: Final = "manifest.sha256"
"""What `sha256sum manifest.json` writes; in the project only."""
LARGEST: Final = 16 << 20
"""Bytes of a manifest; that of a hundred requests has some 50 kB."""
_LEFT: Final = 1000
"""Files that are looked at where there is no manifest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenManifest:
    """What lies in a project's folder of a golden record.

    Attributes:
        content: the manifest.
        digest: the text beside it; empty where there is none.
        problem: why one of them cannot be read; empty where both can.
    """

    content: bytes = b""
    digest: str = ""
    problem: str = ""

    @property
    def held(self) -> bool:
        """Whether the manifest is the one that the digest was written for."""
        return self.digest == digest_line(self.content)


def digest_line(manifest: bytes) -> str:
    """The text of `manifest.sha256`."""
    return f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST}\n"


def read_manifest(lock_folder: Path) -> GoldenManifest | None:
    """What there is of a golden record; None where there is no folder, or nothing in it that counts.

    Args:
        lock_folder: the image's folder of locks.
    """
    if not os.path.lexists(lock_folder / FOLDER):
        return None
    try:
        content = read_inside(lock_folder, f"{FOLDER}/{MANIFEST}", LARGEST)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and _is_empty(lock_folder):
            return None
        return GoldenManifest(problem=_problem(MANIFEST, error))
    try:
        digest = read_inside(lock_folder, f"{FOLDER}/{DIGEST}", 1 << 10).decode("ascii", "replace")
    except FileNotFoundError:
        digest = ""
    except OSError as error:
        return GoldenManifest(content=content, problem=_problem(DIGEST, error))
    return GoldenManifest(content=content, digest=digest)


def is_hidden(path: str) -> bool:
    """Whether a file is nobody's: a part of its path begins with a dot, as in `.DS_Store`."""
    return any(part.startswith(".") for part in path.split("/"))


def _is_empty(lock_folder: Path) -> bool:
    """Git keeps no empty folders, and other tools leave them, some with hidden files."""
    try:
        return all(map(is_hidden, listing(lock_folder, FOLDER, most=_LEFT)))
    except OSError:
        return False


def _problem(name: str, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"it has no `{name}`"
    at = os.path.basename(error.filename or name)  # noqa: PTH119 - the folder, where that is none
    return f"`{at}` cannot be read: {reason_of(error)}"
