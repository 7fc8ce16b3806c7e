"""What the cache holds, and how much room it takes."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlimage.atomic import ASIDE, PARTIAL
from mlimage.cache import Cache
from mlimage.oci.store import Store
from mlimage.trees import walk


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of the cache: how many things are in it, and their bytes."""

    name: str
    what: str
    folder: Path
    count: int
    size: int


def survey(cache: Cache) -> tuple[Part, ...]:
    """What the cache holds; an empty one has empty parts."""
    store = Store(cache.store)
    counted = (
        (
            "inputs",
            "fetched wheels and debs",
            cache.inputs,
            sum(len(things_in(path)) for path in things_in(cache.inputs)),
        ),
        ("metadata", "metadata of wheels", cache.metadata, len(things_in(cache.metadata))),
        ("roots", "unpacked bases", cache.roots, len(things_in(cache.roots))),
        ("bytecode", "compiled modules of resolvers", cache.bytecode, len(things_in(cache.bytecode))),
        ("layers", "records of layers", cache.layers, len(things_in(cache.layers))),
        ("store", "images' blobs", cache.store, len(things_in(store.blobs))),
        ("scans", "what was found in layers", cache.scans, len(things_in(cache.scans))),
        ("apps", "digests of large applications", cache.apps, len(things_in(cache.apps))),
        ("advisories", "what sources of advisories said", cache.advisories, len(things_in(cache.advisories))),
        ("unpacked", "unpacked images", cache.unpacked, len(things_in(cache.unpacked))),
        (
            "inventories",
            "inventories of unpacked images and bases",
            cache.inventories,
            len(things_in(cache.inventories)),
        ),
    )
    return tuple(
        Part(name=name, what=what, folder=folder, count=count, size=size_of(folder) if folder.is_dir() else 0)
        for name, what, folder, count in counted
    )


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder that this user may see, as long as nobody moves them."""
    if not path.is_dir() or path.is_symlink():
        return path.lstat().st_size
    size = 0
    with suppress(OSError):
        for _, entries in walk(path):
            for entry in entries:
                with suppress(OSError):
                    if not entry.is_dir(follow_symlinks=False):
                        size += entry.stat(follow_symlinks=False).st_size
    return size


def things_in(folder: Path) -> list[Path]:
    """What is in a folder, but for what is unfinished or set aside; nothing if it is not there."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith((PARTIAL, ASIDE)))
    except (FileNotFoundError, NotADirectoryError):
        return []
