"""What trees that come from outside may be, and no reader of one believes more than that.

They are packages, layers and archives of whoever made them. What is out of bounds is refused by name, and
nothing of it stays; the status is that of the boundary where it came in.
"""

from typing import Final

PATH: Final = 4095
"""Bytes of a path or of a link's target: Linux has PATH_MAX 4096 with the NUL at the end (limits.h)."""
NAME: Final = 255
"""Bytes of a name in a path: NAME_MAX (limits.h); ext4, XFS, Btrfs, tmpfs and APFS have no longer ones."""
DEPTH: Final = 256
"""Names in a path. A Debian machine with compilers and several Pythons has 19 at most; programs that go down
by calling themselves, as Python's `rglob` does, get farther than this."""
ENTRIES: Final = 1_000_000
"""Entries of one archive. The largest images have a quarter; Debian's largest package has a tenth."""
TREE: Final = 2 * ENTRIES
"""Files and folders of all layers of an image together, those that no entry names but its path included."""
UNPACKED: Final = 512 << 30
"""Bytes that an image unpacks to, all layers together; with a model of 200 billion numbers it has 400 GB."""
UNSUSPICIOUS: Final = 4 << 30
"""Bytes of a layer's tar that may be packed as well as can be: a few GB of zeros hurt nobody."""
RATIO: Final = 200
"""How many times its own size a larger layer may unpack to; those of base systems and packages do 2 or 4."""

_SHORT: Final = 63
"""Letters that have at most NAME bytes, four each, and lie at most half so deep: most paths end here."""
_SHOWN: Final = 100


def why_not(path: str) -> str | None:
    """Why nothing may have this path, as the end of a sentence about it; None where it may.

    Args:
        path: relative or absolute, as it stands in an archive; what is no UTF-8 in it as surrogate escapes.
    """
    if len(path) <= _SHORT:
        return None
    raw = path.encode(errors="surrogateescape")
    if len(raw) > PATH:
        return f"has {len(raw)} bytes; at most {PATH} are allowed in a path"
    parts = [part for part in raw.split(b"/") if part not in {b"", b"."}]
    if len(parts) > DEPTH:
        return f"lies {len(parts)} levels deep; at most {DEPTH} are allowed"
    longest = max(map(len, parts), default=0)
    if longest > NAME:
        return f"has a name of {longest} bytes; at most {NAME} are allowed"
    return None


def shown(path: str) -> str:
    """A path from outside, fit for a message: of one that is too long its beginning."""
    return path if len(path) <= _SHOWN else f"{path[:_SHOWN]}…"


def is_bomb(*, packed: int, unpacked: int, unsuspicious: int = UNSUSPICIOUS) -> bool:
    """Whether no honest layer of `packed` bytes unpacks to so many."""
    return unpacked > unsuspicious and unpacked > RATIO * packed
