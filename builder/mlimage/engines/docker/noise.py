"""What steps leave behind that differs from build to build and that no image needs."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Final

from mlimage.content.entry import Entry, Kind, file_of_bytes
from mlimage.content.ignore import Ignore, read_ignore

_FILE: Final = Path(__file__).with_name("noise.toml")
_PYC_HEAD: Final = 8


def without_noise(entry: Entry) -> Entry | None:
    """The entry as it is kept; None for one that is left out.

    Bytecode that names its source's time is left out as well: the sealed image has other times, so Python
    would not use it.
    """
    left_out, emptied = _rules()
    if left_out.ignores(entry.path) or _is_stale_bytecode(entry):
        return None
    if emptied.ignores(entry.path) and entry.kind is Kind.FILE:
        return file_of_bytes(entry.path, b"", origin=entry.origin, mode=entry.mode)
    return entry


@cache
def _rules() -> tuple[Ignore, Ignore]:
    rules = tomllib.loads(_FILE.read_text())
    return read_ignore(rules["left_out"]), read_ignore(rules["emptied"])


def _is_stale_bytecode(entry: Entry) -> bool:
    """Whether it is a `.pyc` whose flags (PEP 552) say that it is held against its source's time."""
    if entry.kind is not Kind.FILE or not entry.path.endswith(".pyc") or entry.open is None:
        return False
    with entry.open() as stream:
        head = stream.read(_PYC_HEAD)
    return len(head) == _PYC_HEAD and head[4:] == b"\0\0\0\0"
