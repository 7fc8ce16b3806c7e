"""Files that people name to hold a machine against: fingerprints, and records of probes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from mlimage.errors import UsageError, reason_of
from mlimage.regular import read_limited
from mlimage.runtime.fingerprint import SCHEMA as FINGERPRINT
from mlimage.runtime.probe.measure import SCHEMA as PROBE
from mlimage.runtime.probe.record import RecordError, parse_record

_LARGEST: Final = 256 << 20
"""Bytes of a record; that of a probe has some hundred kB."""
_MAKE_PROBE: Final = "`mlimage probe IMAGE --save FILE` makes one"
_MAKE_FINGERPRINT: Final = "`mlimage fingerprint IMAGE --json > FILE` makes one, and a probe's record will do"
_PARTS: Final = ("python", "libc", "packages", "cpu", "limits", "env")


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
        whole = is_fingerprint(said) and isinstance(said["image"], dict)
        found = {**said, "native": _native(said)} if whole else None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(f"`{path}`: it is no fingerprint", hint=_MAKE_FINGERPRINT) from error
    if found is None:
        why = (
            "it is no fingerprint"
            if schema == FINGERPRINT
            else f"it is `{schema}`, and this mlimage reads `{FINGERPRINT}`"
        )
        raise UsageError(f"`{path}`: {why}", hint=_MAKE_FINGERPRINT)
    return found


def is_fingerprint(said: Mapping[str, Any]) -> bool:
    """Whether this is a fingerprint as the inside of an image sees it, of the version that is read here."""
    return (
        said.get("schema") == FINGERPRINT
        and all(isinstance(said.get(part), dict) for part in _PARTS)
        and isinstance(said.get("numeric_class"), str)
    )


def read_against(path: Path) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """A fingerprint, and the probe's record where the file is one; raises `UsageError` when it is neither."""
    found = read_fingerprint(path)
    probed = json.loads(_content(path))["schema"] == PROBE
    return found, read_probe(path) if probed else None


def _native(said: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**library, "kind": library["kind"], "owner": library["owner"]} for library in said["native"]]


def _content(path: Path) -> bytes:
    """All of it, though it be a pipe: the user names it, as in `--against <(ssh there mlimage …)`."""
    try:
        with path.open("rb") as stream:
            return read_limited(stream, _LARGEST, path)
    except OSError as error:
        raise UsageError(f"cannot read `{path}`: {reason_of(error)}", hint="name a file") from error
