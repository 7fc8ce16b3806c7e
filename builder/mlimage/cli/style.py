"""How text becomes fit for a terminal: colour where it is wanted, and no control characters from files."""

import os
import re
import unicodedata
from typing import Final, TextIO

_COLOURS: Final = {"red": "31", "yellow": "33", "cyan": "36", "bold": "1"}
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_OWN: Final = re.compile(r"(\x1b\[[0-9;]*m)")


def is_terminal(stream: TextIO) -> bool:
    """Whether a person looks at the stream through something that moves its cursor."""
    return stream.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("CI")


def has_colour(stream: TextIO) -> bool:
    """Whether colour is wanted: on a terminal, unless `NO_COLOR` is set to something (no-color.org)."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


def painted(text: str, colour: str, stream: TextIO) -> str:
    """The text in that colour, where the stream has colour. It never carries meaning alone."""
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if has_colour(stream) else text


def clean(text: str) -> str:
    """Text without credentials, whose control characters are escaped: it ends in logs and on terminals.

    A name in an archive cannot play with them. Line feeds, tabs and the colours of `painted` stay.
    """
    from mlimage.redact import redact  # `--help` goes without its many expressions

    parts = _OWN.split(redact(text))
    return "".join(part if _OWN.fullmatch(part) else _CONTROL.sub(_escaped, part) for part in parts)


def clean_json(text: str) -> str:
    """JSON whose control characters, which can only stand in its texts, are escaped as JSON escapes them."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


def width(text: str) -> int:
    """How many columns of a terminal the text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def size_text(size: int) -> str:
    """A number of bytes for people, in powers of 1000: `812 B`, `4.2 MB`."""
    if size < 1000:
        return f"{size} B"
    amount = float(size)
    for unit in ("kB", "MB", "GB", "TB"):
        amount /= 1000
        if round(amount, 1) < 1000 or unit == "TB":
            return f"{amount:.1f} {unit}"
    raise AssertionError


def seconds_text(seconds: float) -> str:
    """A duration for people: `0.4 s`, `12 s`, `3 min 20 s`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02} s"
