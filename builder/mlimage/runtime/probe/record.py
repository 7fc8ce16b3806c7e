"""The record of a probe: made, and read again."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

from mlimage.runtime.fingerprint import FRAMEWORKS, fingerprint
from mlimage.runtime.probe.measure import SCHEMA, measure, present

if TYPE_CHECKING:
    from collections.abc import Sequence


class RecordError(Exception):
    """A file is no record of a probe that this version understands; the message says why."""


def make_record(*, profile: str | None, groups: Sequence[str] | None = None) -> dict[str, Any]:
    """Probe this machine, in this process.

    Args:
        profile: the determinism profile of the image.
        groups: what is asked; all that is installed when None.
    """
    began = time.perf_counter()
    asked = list(groups) if groups else present()
    needed = {"torch" if group == "cuda" else group for group in asked}
    before = fingerprint(os.environ, profile=profile, modules=[name for name in FRAMEWORKS if name in needed])
    libraries = time.perf_counter() - began
    found = measure(asked)
    seconds = {
        "import": round(libraries, 3),
        **found["seconds"],
        "all": round(time.perf_counter() - began, 3),
    }
    return {"schema": SCHEMA, "fingerprint": before, **found, "seconds": seconds}


def parse_record(content: bytes) -> dict[str, Any]:
    """Read what `--save` wrote; raises `RecordError`."""
    try:
        said = json.loads(content)
        schema = said["schema"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise RecordError("it is no record of a probe") from None
    family, _, version = str(schema).rpartition("/")
    if family != SCHEMA.rpartition("/")[0]:
        raise RecordError(f"it is no record of a probe, but of `{schema}`")
    if schema != SCHEMA:
        raise RecordError(
            f"it has version {version} of the format, and this one reads version {SCHEMA.rpartition('/')[2]}"
        )
    try:
        for operation in said["operations"]:
            for key in ("name", "correct", "problem", "sha256", "dtype", "shape", "tolerance"):
                operation[key]
        for path in (
            ("numeric_class",),
            ("cpu", "architecture"),
            ("libc", "version"),
            ("packages", "numeric"),
        ):
            value = said["fingerprint"]
            for key in path:
                value = value[key]
    except (KeyError, TypeError, AttributeError):
        raise RecordError("it is damaged") from None
    record: dict[str, Any] = said
    return record
