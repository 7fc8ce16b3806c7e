"""The numeric libraries that this process has loaded, and what they chose to be on this CPU.

They are asked themselves, by way of the functions that they export; `threadpoolctl` works the same way.
"""

# ruff: noqa: PTH119, PTH123, PTH207 - as everywhere in the runtime, `pathlib` costs time
from __future__ import annotations

import base64
import ctypes
import os
import re
from glob import glob
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

_KINDS = (
    ("openblas", r"lib(?:scipy_)?openblas"),
    ("mkl", r"libmkl_rt|libtorch_cpu\."),
    ("gomp", r"libgomp[-.]"),
    ("iomp", r"libiomp5\."),
    ("omp", r"libomp[-.]"),
    ("blis", r"libblis"),
    ("cublas", r"libcublas\."),
    ("cudnn", r"libcudnn\."),
    ("nccl", r"libnccl\."),
)
_PREFIXES = ("", "scipy_")
_SUFFIXES = ("", "64_", "_64")
_CBWR = {
    1: "OFF",
    2: "AUTO",
    3: "COMPATIBLE",
    4: "SSE2",
    6: "SSSE3",
    7: "SSE4_1",
    8: "SSE4_2",
    9: "AVX",
    10: "AVX2",
    12: "AVX512",
    14: "AVX512_E1",
}
"""`mkl_types.h`, MKL_CBWR_…"""
_CBWR_STRICT = 0x10000
_BRANCH = 1


class Library(NamedTuple):
    """A loaded library.

    Attributes:
        kind: `openblas`, `mkl`, `gomp`, …
        owner: the folder of packages that it lies in, `numpy` for instance; `system` outside of them.
        sha256: of its file, as its package says; None where none does.
        version: its own word, None where it has none.
        kernel: the code path that it chose: OpenBLAS' core, MKL's branch.
        threads: how many it uses.
    """

    kind: str
    owner: str
    sha256: str | None
    version: str | None
    kernel: str | None
    threads: int | None


def mapped_files(maps: str) -> list[str]:
    """Paths of the shared libraries in a `/proc/PID/maps`, each once, in the order of their names."""
    found = {line.split(None, 5)[5] for line in maps.splitlines() if ".so" in line and line.count("/") > 0}
    return sorted(found, key=lambda path: (os.path.basename(path), path))


def libraries(maps: str) -> list[Library]:
    """The numeric libraries among them."""
    found = []
    for path in mapped_files(maps):
        name = os.path.basename(path)
        kind = next((kind for kind, pattern in _KINDS if re.match(pattern, name)), None)
        library = _asked(kind, path) if kind else None
        if library:
            found.append(library)
    return sorted(found)


def _asked(kind: str, path: str) -> Library | None:
    try:
        handle: Any = ctypes.CDLL(path)
    except OSError:  # it was deleted meanwhile, or is for another machine
        return None
    owner, recorded = owner_of(path)
    version, kernel, threads = _ANSWERS.get(kind, _openmp)(handle)
    if kind == "mkl" and version is None:
        return None  # a torch without MKL
    return Library(kind, owner, recorded, version, kernel, threads)


def owner_of(path: str) -> tuple[str, str | None]:
    """The package that a file belongs to, and the SHA-256 that its RECORD has for it."""
    site, found, inner = path.rpartition("/site-packages/")
    if not found:
        return "system", None
    owner = inner.partition("/")[0].partition(".libs")[0]
    for record in glob(f"{glob_escaped(site + found + owner)}-*.dist-info/RECORD"):
        with open(record, encoding="utf-8", errors="replace") as stream:
            for line in stream:
                if line.startswith(f"{inner},sha256="):
                    digest = line[len(inner) + 8 :].partition(",")[0]
                    return owner, base64.urlsafe_b64decode(digest + "=" * (-len(digest) % 4)).hex()
    return owner, None


def glob_escaped(path: str) -> str:
    """The path, so that `glob` takes every character of it as it is."""
    return re.sub(r"([*?[])", r"[\1]", path)


def _openblas(handle: Any) -> tuple[str | None, str | None, int | None]:
    said = _text(handle, "get_config") or ""
    version = re.search(r"OpenBLAS (\S+)", said)
    return version[1] if version else None, _text(handle, "get_corename"), _number(handle, "get_num_threads")


def _named(handle: Any, name: str) -> Any:
    for prefix in _PREFIXES:
        for suffix in _SUFFIXES:
            function = getattr(handle, f"{prefix}openblas_{name}{suffix}", None)
            if function is not None:
                return function
    return None


def _text(handle: Any, name: str) -> str | None:
    function = _named(handle, name)
    if function is None:
        return None
    function.restype, function.argtypes = ctypes.c_char_p, ()
    said: bytes | None = function()
    return said.decode(errors="replace") if said else None


def _number(handle: Any, name: str) -> int | None:
    function = _named(handle, name)
    return int(function()) if function is not None else None


def _mkl(handle: Any) -> tuple[str | None, str | None, int | None]:
    get_version = getattr(handle, "MKL_Get_Version_String", None)
    if get_version is None:
        return None, None, None
    buffer = ctypes.create_string_buffer(198)  # the length that Intel's documentation gives
    get_version(buffer, len(buffer))
    version = re.search(r"Version (\S+)", buffer.value.decode(errors="replace"))
    branch = getattr(handle, "mkl_serv_cbwr_get", None) or getattr(handle, "MKL_CBWR_Get", None)
    code = branch(_BRANCH) if branch else 0
    kernel = _CBWR.get(code & ~_CBWR_STRICT, str(code)) if code else None
    strict = ",STRICT" if code & _CBWR_STRICT else ""
    threads = getattr(handle, "MKL_Get_Max_Threads", None)
    return (
        version[1] if version else "unknown",
        f"{kernel}{strict}" if kernel else None,
        threads() if threads else None,
    )


def _openmp(handle: Any) -> tuple[str | None, str | None, int | None]:
    threads = getattr(handle, "omp_get_max_threads", None)
    return None, None, threads() if threads else None


def _versioned(
    name: str, shown: Callable[[int], str]
) -> Callable[[Any], tuple[str | None, str | None, int | None]]:
    def ask(handle: Any) -> tuple[str | None, str | None, int | None]:
        function = getattr(handle, name, None)
        if function is None:
            return None, None, None
        function.restype = ctypes.c_size_t
        return shown(function()), None, None

    return ask


_ANSWERS: dict[str, Callable[[Any], tuple[str | None, str | None, int | None]]] = {
    "openblas": _openblas,
    "mkl": _mkl,
    "cudnn": _versioned("cudnnGetVersion", str),
}
