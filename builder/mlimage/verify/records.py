"""Files that people name to hold a machine against: fingerprints, and records of probes."""

import json
from pathlib import Path
from typing import Any, Final

from mlimage.errors import UsageError, reason_of
from mlimage.runtime.fingerprint import SCHEMA as FINGERPRINT
from mlimage.runtime.probe.measure import SCHEMA as PROBE
from mlimage.runtime.probe.record import RecordError, parse_record

_MAKE_PROBE: Final = "`mlimage probe IMAGE --save FILE` makes one"
_MAKE_FINGERPRINT: Final = "`mlimage fingerprint IMAGE --json > FILE` makes one, and a probe's record will do"
_PARTS: Final = ("image", "python", "libc", "packages", "cpu", "limits", "env")


def read_probe(path: Path) -> dict[str, Any]:
    """The record of a probe; raises `UsageError` when the file is none."""
    try:
        return parse_record(_content(path))
    except RecordError as error:
        raise UsageError(f"`{path}`: {error}", hint=_MAKE_PROBE) from error


def read_fingerprint(path: Path) -> dict[str, Any]:
    """A fingerprint, or that in the record of a probe; raises `UsageError` when the file is neither."""
    try:
        said = json.loads(_content(path))
        if said["schema"] == PROBE:
            said = said["fingerprint"]
        schema = said["schema"]
        fitting = schema == FINGERPRINT and all(isinstance(said[part], dict) for part in _PARTS)
        found: dict[str, Any] = {**said, "native": _native(said)} if fitting else {}
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise UsageError(f"`{path}`: it is no fingerprint", hint=_MAKE_FINGERPRINT) from error
    if not found:
        raise UsageError(
            f"`{path}`: it is `{schema}`, and this mlimage reads `{FINGERPRINT}`", hint=_MAKE_FINGERPRINT
        )
    return found


def read_against(path: Path) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """A fingerprint, and the probe's record where the file is one; raises `UsageError` when it is neither."""
    found = read_fingerprint(path)
    probed = json.loads(_content(path))["schema"] == PROBE
    return found, read_probe(path) if probed else None


def _native(said: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**library, "kind": library["kind"], "owner": library["owner"]} for library in said["native"]]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read `{path}`: {reason_of(error)}", hint="name a file") from error
