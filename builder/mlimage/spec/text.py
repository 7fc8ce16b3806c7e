"""Bytes of a file that a person wrote to text, or the place of what is wrong in it."""

import re
from pathlib import Path
from typing import Final

from mlimage.errors import Problem, reason_of
from mlimage.regular import opened

MOST_BYTES: Final = 1_000_000
"""No spec and no list of requirements that a person wrote is larger."""

LINE_END: Final = re.compile("\r\n|\r|\n")
"""Where lines end, as editors count them."""

_BOM: Final = b"\xef\xbb\xbf"
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_NOT_TEXT: Final = re.compile("[^\x09\x0a\x0d\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What YAML 1.1 (5.1) does not call printable."""


_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What no value may have, which escapes of YAML can write: characters that end a text for the kernel, play
with a terminal, or let a line be read in another order than it has. Line feeds and tabs are text."""


def control_character(text: str) -> str | None:
    """The first character of a value that is not text, as `U+0000`; None where all of it is."""
    found = _CONTROL.search(text)
    return f"U+{ord(found.group()):04X}" if found else None


def without_control(text: str) -> str:
    """The value with another character for each that is not text."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def read_bytes(file: Path, *, path: str) -> tuple[bytes, Problem | None]:
    """The bytes of a file, or the problem that keeps them from us; `path` is how messages call it.

    A link to a regular file is one: people keep a file in one place, and what is in it is seen.
    """
    try:
        with opened(file, follow=True) as stream:
            content = stream.read(MOST_BYTES + 1)
    except OSError as error:
        return b"", _problem(path, 1, 1, f"cannot be read: {reason_of(error)}", None)
    if len(content) > MOST_BYTES:
        return b"", _problem(path, 1, 1, f"larger than {MOST_BYTES:,} bytes", "is this the right file?")
    return content, None


def decode_text(content: bytes, *, path: str) -> tuple[str, Problem | None]:
    """UTF-8, with or without its byte order mark, as printable text; else a problem with its place."""
    if content.startswith(_UTF16):
        return "", _problem(path, 1, 1, "the file is UTF-16, not UTF-8", "save it as UTF-8")
    body = content.removeprefix(_BOM)
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        line, column = _place(body[: error.start].decode())
        return "", _problem(
            path, line, column, f"the byte 0x{body[error.start]:02x} is not UTF-8", "save the file as UTF-8"
        )
    odd = _NOT_TEXT.search(text)
    if odd:
        line, column = _place(text[: odd.start()])
        character = f"U+{ord(odd.group()):04X}"
        return "", _problem(path, line, column, f"the control character {character} is not text", "remove it")
    return text, None


def _place(before: str) -> tuple[int, int]:
    lines = LINE_END.split(before)
    return len(lines), len(lines[-1]) + 1


def _problem(path: str, line: int, column: int, message: str, hint: str | None) -> Problem:
    return Problem(path=path, line=line, column=column, key="", message=message, hint=hint)
