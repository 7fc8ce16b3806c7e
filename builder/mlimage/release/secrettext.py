"""The secrets in a text, which is looked at in pieces and never kept."""

from collections.abc import Iterable, Iterator
from typing import Final

from mlimage.release.secretrules import LONGEST, rules

_LOOKED_AT: Final = 8000
"""Bytes at the beginning of a file in which a NUL says that it is no text; git takes as many."""
_BEFORE: Final = 64
"""Bytes before a match that its pattern may look at."""
_AT_ONCE: Final = 16 * LONGEST
"""Bytes that are looked at together, at least."""
_ESCAPED: Final = ((b"\\/", b"/"), (b'\\"', b'"'))
"""What JSON has, and a notebook's code inside of it, and which characters it means."""
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")


def scan_text(path: str, content: Iterable[bytes]) -> Iterator[tuple[int, str]]:
    """The secrets of a file as (line, kind), each once; of a file that is no text there are none.

    Args:
        path: of the file, without a leading `/`.
        content: its bytes in pieces, which are not kept.
    """
    pieces = iter(content)
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= _LOOKED_AT:
            break
    wide = head.startswith(_UTF_16)
    if not wide and b"\0" in head[:_LOOKED_AT]:
        return
    chosen = [rule for rule in rules() if rule.path is None or rule.path.search(path)]
    window, fresh, start, lines = b"", b"", 0, 1
    said: set[tuple[int, str]] = set()
    for text, last in _with_last(head, pieces):
        # What is no ASCII is of no interest, so this is decoding enough.
        fresh += text.replace(b"\0", b"") if wide else text
        if len(window) + len(fresh) < _AT_ONCE and not last:
            continue
        whole = len(fresh) - (fresh.endswith(b"\\") and not last)
        window, fresh = window + _unescaped(fresh[:whole]), fresh[whole:]
        stop = len(window) if last else len(window) - LONGEST
        for rule in chosen:
            for at in rule.find(window, start, stop):
                found = (1 if rule.once else lines + window.count(b"\n", 0, at), rule.kind)
                if found not in said:
                    said.add(found)
                    yield lines + window.count(b"\n", 0, at), rule.kind
                if rule.once:
                    break
        kept = max(0, stop - _BEFORE)
        lines += window.count(b"\n", 0, kept)
        window, start = window[kept:], stop - kept


def _unescaped(text: bytes) -> bytes:
    if b"\\" in text:
        for escape, meant in _ESCAPED:
            text = text.replace(escape, meant)
    return text


def _with_last(head: bytes, pieces: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    """The pieces, and whether each is the last one."""
    before = head
    for piece in pieces:
        yield before, False
        before = piece
    yield before, True
