"""The peer of locks: pip-compile, as a user calls it for each variant of each image."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from packaging.version import Version

from bench.measure import Run, one_after_another, timed
from mlimage.lock.check import requirements_of
from mlimage.lock.resolver import parse_pins
from mlimage.mirrors import DEFAULT_INDEX, Location, load_mirrors
from mlimage.pipconfig import authorities
from mlimage.spec.load import LoadedSpec
from mlimage.spec.project import Project
from mlimage.spec.variants import in_order, indexes_of

_PROGRAM: Final = str(Path(sys.executable).with_name("pip-compile"))
_SETTINGS: Final = ("PIP_CONSTRAINT", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_INDEX_URL")


class PipCompile:
    """Resolves the requirements of a project's images.

    Args:
        project: the project.
        folder: where it keeps what it reads, writes and has in its cache; made here.
        options: further ones.
    """

    def __init__(self, project: Project, folder: Path, *options: str) -> None:
        self._folder = folder
        self._options = options
        self._mirrors = load_mirrors(os.environ)
        self._specs = {name: project.load(name) for name in project.names()}
        folder.mkdir()

    def cold(self) -> Run:
        """All variants, one after the other, with one cache that is empty at first."""
        shutil.rmtree(self._folder)
        self._folder.mkdir()
        return one_after_another(
            [self._compile(spec, variant) for spec in self._specs.values() for variant in in_order(spec.spec)]
        )

    @property
    def versions(self) -> Mapping[tuple[str, str], Mapping[str, Version]]:
        """What it decided, by image and variant."""
        return {
            (name, variant): {
                pin.name: pin.version
                for pin in parse_pins(self._file(name, variant, "txt").read_text(), resolver=_PROGRAM)
            }
            for name, spec in self._specs.items()
            for variant in spec.spec.variants
        }

    def _compile(self, loaded: LoadedSpec, variant: str) -> Run:
        name = loaded.spec.name
        asked = self._file(name, variant, "in")
        asked.write_text("".join(f"{item.text}\n" for item in requirements_of(loaded, variant)))
        [index, *_] = self._mirrors.index(DEFAULT_INDEX)
        further = [
            self._mirrors.index(other, found.url)[0]
            for other, found in indexes_of(loaded.spec, variant).items()
        ]
        return timed(
            [
                _PROGRAM, "--quiet", "--allow-unsafe", "--strip-extras", "--no-emit-options",
                f"--cache-dir={self._folder / 'resolver'}",
                f"--index-url={index.url}", *map(_option, further), *self._options,
                f"--output-file={self._file(name, variant, 'txt')}", str(asked),
            ],
            env={
                **dict.fromkeys(_SETTINGS, ""),
                "PIP_CONFIG_FILE": os.devnull,
                "PIP_CACHE_DIR": str(self._folder / "pip"),
                "PIP_CERT": authorities(os.environ) or "",
            },
            cwd=self._folder,
        )  # fmt: skip

    def _file(self, name: str, variant: str, kind: str) -> Path:
        return self._folder / f"{name}-{variant}.{kind}"


def _option(place: Location) -> str:
    return f"--find-links={place.folder}" if place.folder else f"--extra-index-url={place.url}"
