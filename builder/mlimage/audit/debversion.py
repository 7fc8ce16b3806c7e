"""The order of Debian's versions, as deb-version(7) has it."""

import re
from itertools import zip_longest
from typing import Final

_PARTS: Final = re.compile(r"([^0-9]*)([0-9]*)")


def is_older(version: str, than: str) -> bool:
    """Whether a version `[EPOCH:]UPSTREAM[-REVISION]` comes before another one.

    Raises:
        ValueError: one of them is no version.
    """
    (epoch, upstream, revision), (other_epoch, other_upstream, other_revision) = _split(version), _split(than)
    if epoch != other_epoch:
        return epoch < other_epoch
    return (_compare(upstream, other_upstream) or _compare(revision, other_revision)) < 0


def _split(version: str) -> tuple[int, str, str]:
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
    if not (epoch.isascii() and epoch.isdigit()) or not upstream:
        raise ValueError(f"no version of Debian: {version!r}")
    return int(epoch), upstream, revision


def _compare(one: str, other: str) -> int:
    """Text and number in turn: `~` before the end, letters before other signs, numbers by value."""
    for (text, number), (other_text, other_number) in zip_longest(
        _PARTS.findall(one), _PARTS.findall(other), fillvalue=("", "")
    ):
        for sign, other_sign in zip_longest(map(_order, text), map(_order, other_text), fillvalue=0):
            if sign != other_sign:
                return sign - other_sign
        if value := int(number or "0") - int(other_number or "0"):
            return value
    return 0


def _order(sign: str) -> int:
    if sign == "~":
        return -1
    return ord(sign) if sign.isalpha() else ord(sign) + 256
