"""Shared libraries that cannot be in one image: which one a program got would depend on what it loads first.

What a layer's packages have is noted when it is made, and the notes are held against each other once for each
set of layers.
"""

import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, Final

from mlimage.atomic import note, write_atomically
from mlimage.content.entry import Entry
from mlimage.content.libraries import Library, libraries
from mlimage.digest import Digest, canonical_json
from mlimage.errors import BuildError
from mlimage.lock.cuda import WAYS_OUT
from mlimage.spec.variants import CPU

_FILE: Final = Path(__file__).with_suffix(".toml")
_SITE: Final = re.compile(r"opt/venv/lib/python[^/]+/site-packages/")
_VENDORED: Final = re.compile(r"[.-][0-9a-f]{8,}\.so(?:\.|\Z)")
"""As auditwheel's `libgomp-a34b3233.so.1`, torchvision's `libjpeg.5980e1e3.so.8`: nobody else asks for it."""
_RUNTIME: Final = re.compile(r"libcudart(?:[.-][0-9a-f]{8,})?\.so\.(\d+)")
_SHOWN: Final = 3


class Libraries:
    """The shared libraries of each layer, by the key of the layer, in the folder of layer records."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has(self, key: Digest) -> bool:
        """Whether the layer's libraries are noted."""
        return self._file(key).is_file()

    def put(self, key: Digest, entries: Iterable[Entry]) -> None:
        """Note the libraries among the files of a layer."""
        found = [asdict(library) for library in libraries(entries)]
        write_atomically(self._file(key), canonical_json(found))

    def check(self, keys: Sequence[Digest], *, accelerator: str) -> None:
        """Refuse libraries that cannot be together in an image for this accelerator.

        Raises:
            BuildError: names them, their packages and the way out.
        """
        said = {"layers": sorted(keys), "accelerator": accelerator, "rules": Digest.of_file(_FILE)}
        checked = self._folder / f"{Digest.of(canonical_json(said)).hex}.together"
        if checked.is_file():
            return
        check_libraries([each for key in keys for each in self._get(key)], accelerator=accelerator)
        note(checked, b"")

    def _get(self, key: Digest) -> list[Library]:
        path = self._file(key)
        try:
            return [_read(each) for each in json.loads(path.read_bytes())]
        except (ValueError, TypeError, KeyError, RecursionError, FileNotFoundError) as error:
            path.unlink(missing_ok=True)
            raise BuildError(
                f"a list of libraries in the cache was damaged and is removed: `{path}`", hint="build again"
            ) from error

    def _file(self, key: Digest) -> Path:
        return self._folder / f"{key.hex}.sonames"


def check_libraries(found: Sequence[Library], *, accelerator: str) -> None:
    """See `Libraries.check`."""
    if accelerator == CPU:
        _refuse_cuda(found)
    together = [library for library in found if not _stands_apart(library)]
    _refuse_two_cudas(together)
    _refuse_two_of_a_name(together)


def _refuse_cuda(found: Sequence[Library]) -> None:
    cuda = [library for library in found if _is_cuda(library)]
    if cuda:
        raise BuildError(f"an image for the CPU has no libraries of CUDA, and {_listed(cuda)}", hint=WAYS_OUT)


def _refuse_two_cudas(found: Sequence[Library]) -> None:
    majors: dict[int, list[Library]] = {}
    for library in found:
        runtime = _RUNTIME.match(library.name)
        if runtime:
            majors.setdefault(int(runtime[1]), []).append(library)
    if len(majors) > 1:
        listed = ", and ".join(_listed(group) for _, group in sorted(majors.items()))
        raise BuildError(
            f"an image has one CUDA: {listed}",
            hint="lock builds of these packages for one CUDA, or give each an image of its own",
        )


def _refuse_two_of_a_name(found: Sequence[Library]) -> None:
    first: dict[str, Library] = {}
    for library in found:
        if _VENDORED.search(library.path.rpartition("/")[2]):
            continue
        other = first.setdefault(library.name, library)
        if library.package != other.package and library.content != other.content:
            raise BuildError(
                f"`{other.package}` and `{library.package}` both have the shared library `{library.name}`, "
                f"with different content: `/{other.path}` and `/{library.path}`",
                hint="a program gets the one that is loaded first: remove one of the two packages from the "
                "spec, or take releases of which one alone has it",
            )


def _is_cuda(library: Library) -> bool:
    stem = re.split(r"[.-]", library.name, maxsplit=1)[0]
    return any(fnmatchcase(stem, pattern) for pattern in _rules()["cuda"])


def _stands_apart(library: Library) -> bool:
    path = _SITE.sub("", library.path)
    return any(fnmatchcase(path, pattern) for pattern in _rules()["apart"])


def _listed(found: Sequence[Library]) -> str:
    """Which package has what: `a` has `libx.so.1` and 3 more, `b` has `liby.so.2`."""
    packages: dict[str, list[str]] = {}
    for library in found:
        packages.setdefault(library.package, []).append(library.name)
    shown = [f"`{package}` has {_named(names)}" for package, names in sorted(packages.items())]
    more = len(shown) - _SHOWN
    others = f", and {more} more package{'s' if more > 1 else ''}" if more > 0 else ""
    return ", ".join(shown[:_SHOWN]) + others


def _named(names: Sequence[str]) -> str:
    more = len(set(names)) - 1
    return f"`{names[0]}`" + (f" and {more} more" if more else "")


def _read(noted: Any) -> Library:
    return Library(
        package=noted["package"],
        path=noted["path"],
        name=noted["name"],
        content=Digest(noted["content"]),
    )


@cache
def _rules() -> Mapping[str, Any]:
    return tomllib.loads(_FILE.read_text("utf-8"))
