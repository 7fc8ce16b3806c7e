"""Writes `/etc/ld.so.cache` as ldconfig(8) does: which file a library's name stands for.

The dynamic loader finds Debian's libraries without it, but `ctypes.util.find_library` asks `ldconfig -p`.
"""

import fnmatch
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from mlimage.content.elf import MACHINES, read_library
from mlimage.content.entry import Entry, Kind, file_of_bytes, symlink
from mlimage.platforms import Platform

_CACHE: Final = "etc/ld.so.cache"
_MAGIC: Final = b"glibc-ld.so.cache1.1"
_LITTLE_ENDIAN: Final = 2
_FLAGS: Final = {"amd64": 0x0303, "arm64": 0x0A03}
"""FLAG_ELF_LIBC6 and the architecture's own: glibc, sysdeps/generic/ldconfig.h."""
_EXTENSION: Final = 0xEAA42174
_GENERATOR: Final = b"mlimage"
_NAME: Final = re.compile(r"(lib|ld-).*\.so")
_SONAME: Final = re.compile(r"[!-.0-~]+")
"""An own name that a file can have; a library with another is known by its file's name."""
_ORIGIN: Final = "ld.so.cache"


def library_cache(
    base: Mapping[str, Entry], *, platform: Platform, resolve: Callable[[str], str | None]
) -> Iterator[Entry]:
    """The cache, and the links from a library's own name to its file that no package has.

    Args:
        base: the entries of the base by path.
        platform: libraries for another are left out.
        resolve: the path without links that an absolute path leads to; None where it leads nowhere.
    """
    found: dict[tuple[str, str], str] = {}
    for folder in _folders(base, platform, resolve):
        for soname, name in _libraries(base, folder, platform, resolve):
            found.setdefault((soname, folder), name)
            if f"{_path(resolve, folder)}/{soname}" not in base:
                yield symlink(f"{_path(resolve, folder)}/{soname}", name, origin=_ORIGIN)
    cached = [(soname, f"{folder}/{soname}") for soname, folder in found]
    yield file_of_bytes(_CACHE, encode(cached, flags=_FLAGS[platform.architecture]), origin=_ORIGIN)


def encode(libraries: list[tuple[str, str]], *, flags: int) -> bytes:
    """The bytes of the cache for libraries as (own name, absolute path): glibc, sysdeps/generic/dl-cache.h.

    The first of several with one name is the one that is found first.
    """
    ordered = sorted(libraries, key=lambda library: _order(library[0]), reverse=True)
    header = 48
    strings = bytearray()
    base = header + 24 * len(ordered)
    rows = bytearray()
    for soname, path in ordered:
        value = base + len(strings)
        strings += path.encode() + b"\0"
        key = value + len(path.encode()) - len(soname.encode())
        rows += struct.pack("<iIIIQ", flags, key, value, 0, 0)
    extension = (base + len(strings) + 3) & ~3
    generator = extension + 8 + 16
    head = _MAGIC + struct.pack("<IIB3xI12x", len(ordered), len(strings), _LITTLE_ENDIAN, extension)
    tail = struct.pack("<IIIIII", _EXTENSION, 1, 0, 0, generator, len(_GENERATOR)) + _GENERATOR
    body = bytes(head + rows + strings)
    return body.ljust(extension, b"\0") + tail


def _folders(
    base: Mapping[str, Entry], platform: Platform, resolve: Callable[[str], str | None]
) -> Iterator[str]:
    """The folders of ld.so.conf and the loader's own, each once though it may have several names."""
    seen: set[str] = set()
    builtin = (f"/lib/{platform.multiarch}", f"/usr/lib/{platform.multiarch}", "/lib", "/usr/lib")
    for folder in (*_configured(base, "etc/ld.so.conf"), *builtin):
        place = resolve(folder)
        if place is not None and place not in seen:
            seen.add(place)
            yield folder


def _configured(base: Mapping[str, Entry], path: str) -> Iterator[str]:
    entry = base.get(path)
    if entry is None or entry.open is None:
        return
    with entry.open() as stream:
        lines = stream.read().decode("utf-8", "replace").splitlines()
    for line in lines:
        text = line.partition("#")[0].strip()
        if text.startswith("include "):
            pattern = text.removeprefix("include ").strip().removeprefix("/")
            for name in sorted(fnmatch.filter(base, pattern)):
                if name != path:
                    yield from _configured(base, name)
        elif text.startswith("/"):
            yield text.rstrip("/")


def _libraries(
    base: Mapping[str, Entry], folder: str, platform: Platform, resolve: Callable[[str], str | None]
) -> Iterator[tuple[str, str]]:
    """Each own name of a library in the folder, and the best file name for it (ldconfig.c, search_dir)."""
    best: dict[str, tuple[bool, str]] = {}
    prefix = _path(resolve, folder) + "/"
    for path, entry in base.items():
        name = path.removeprefix(prefix)
        if len(name) == len(path) or "/" in name or not _NAME.match(name) or entry.kind is Kind.DIRECTORY:
            continue
        place = resolve("/" + path)
        target = base.get(place) if place is not None else None
        if target is None or target.open is None:
            continue
        with target.open() as stream:
            library = read_library(stream)
        if library is None or library.machine != MACHINES[platform.architecture]:
            continue
        soname = library.soname if _SONAME.fullmatch(library.soname) else name
        # A link named as the library, or as the linker ld(1) asks for it, is known by its own name.
        linked = entry.kind is Kind.SYMLINK and (
            name == soname or (name.endswith(".so") and soname.startswith(name))
        )
        soname = name if linked else soname
        other = best.get(soname)
        if (
            other is None
            or (other[0] and not linked)
            or (other[0] == linked and _order(other[1]) < _order(name))
        ):
            best[soname] = (linked, name)
    for soname, (_, name) in best.items():
        yield soname, name


def _path(resolve: Callable[[str], str | None], folder: str) -> str:
    return resolve(folder) or folder.removeprefix("/")


def _order(name: str) -> tuple[tuple[int, int | str], ...]:
    """Names in glibc's order (_dl_cache_libcmp): numbers by value and after letters."""
    return tuple(
        (1, int(part)) if part[0] in "0123456789" else (0, part)
        for part in re.findall(r"[0-9]+|[^0-9]", name)
    )
