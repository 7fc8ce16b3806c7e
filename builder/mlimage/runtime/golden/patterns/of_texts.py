"""What was done to texts. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_ALIKE: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("upper and lower case", str.casefold),
    ("white space", lambda text: "".join(text.split())),
)


def of_texts(pairs: Sequence[tuple[str, str]]) -> str | None:
    """The pattern of texts, here and recorded."""
    wrong = [(a, b) for a, b in pairs if a != b]
    if not wrong:
        return None
    for name, essence in _ALIKE:
        if all(essence(a) == essence(b) for a, b in wrong):
            return f"texts differ in {name} alone"
    if all(a == b.encode().decode("latin-1") for a, b in wrong):
        return "texts are UTF-8 that was read as Latin-1"
    return None
