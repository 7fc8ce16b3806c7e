"""Holds the packages of a planned image against each other, once for each set of them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Final

from mlimage.atomic import note
from mlimage.cache import Cache
from mlimage.content.entry import Entry
from mlimage.content.listing import without
from mlimage.digest import Digest, canonical_json
from mlimage.errors import BuildError
from mlimage.fetch import is_sound
from mlimage.lock.collisions import RULES, judge, shadowed
from mlimage.lock.contents import Contents, Wheel
from mlimage.lock.libraries import RULES as RULES_OF_LIBRARIES
from mlimage.lock.libraries import refuse_cuda
from mlimage.lock.model import LockedPackage
from mlimage.lock.together import refuse_conflicts, unused_text
from mlimage.plan.model import BuildPlan, PackageLayer
from mlimage.progress import Progress

_VERSION: Final = 1
"""Of what is done here: a change that could refuse what passed before counts it up."""


class Together:
    """The packages of a planned image.

    Args:
        plan: the image.
        cache: where it is noted what is in wheels, and which can be together.
        progress: where it is said what passed.
    """

    def __init__(self, plan: BuildPlan, cache: Cache, progress: Progress) -> None:
        self._plan = plan
        self._cache = cache
        self._progress = progress
        self._layers = [layer for layer in plan.layers if isinstance(layer, PackageLayer)]
        self._packages = [package for layer in self._layers for package in layer.packages]
        self._one = Lock()
        noted = self._noted()
        self._done = noted is not None
        self._passed: Mapping[str, Sequence[str]] = noted or {}

    @property
    def done(self) -> bool:
        """Whether all packages were held against each other."""
        return self._done

    def check(self, wheel: Wheel) -> None:
        """Refuse packages that cannot be together, as far as it can be told from the wheels that are given.

        Raises:
            BuildError: names them, who asks for each, and what settles it; or a wheel is none.
        """
        with self._one:
            if self._done:
                return
            contents = Contents(self._cache, python=self._plan.python, wheel=wheel)
            verdict = judge(self._packages, contents, self._plan.allowed)
            refuse_conflicts(verdict, self._packages, image=self._plan.name, error=BuildError)
            refuse_cuda(self._packages, contents, accelerator=self._plan.accelerator)
            self._passed = verdict.passed
            for path, names in verdict.passed.items():
                several = " and ".join(f"`{name}`" for name in names)
                self._progress.detail(f"{several} write `/{path}` differently, and no program needs either")
            if verdict.complete:
                self._done = True
                here = {package.name for package in self._packages}
                unused = [
                    unused_text(each, self._plan.name)
                    for each in verdict.unused
                    if len(here.intersection(each.packages)) > 1  # else another variant may have them
                ]
                note(self._place(), canonical_json({"passed": self._passed, "unused": unused}))
                self._say(unused)

    def check_at_hand(self) -> None:
        """Refuse what can be told without fetching anything; raises as `check`."""
        self.check(partial(_in_cache, self._cache))

    def check_noted(self) -> None:
        """Refuse what can be told without looking at any wheel; raises as `check`."""
        self.check(lambda _: None)

    def files_of(
        self, layer: PackageLayer, packages: Sequence[Sequence[Entry]], wheel: Wheel
    ) -> tuple[Sequence[Entry], ...]:
        """The files of a layer's packages without those that they lose to others.

        Args:
            layer: the layer.
            packages: files of each of its packages.
            wheel: gives the wheels of the others.
        """
        contents = Contents(self._cache, python=self._plan.python, wheel=wheel)
        found: list[Sequence[Entry]] = []
        for number, (package, entries) in enumerate(zip(layer.packages, packages, strict=True)):
            lost: set[str] = set()
            for each in layer.yields:
                if each.package == package.name:
                    lost |= shadowed((entry.path for entry in entries), contents.files(each.to), each.paths)
            kept = without(entries, lost) if lost else entries
            if len(packages) > 1:
                later = {entry.path for more in packages[number + 1 :] for entry in more}
                kept = [entry for entry in kept if entry.path not in later or entry.path not in self._passed]
            found.append(kept)
        return tuple(found)

    def as_in_wheels(self, name: str, entries: Sequence[Entry], wheel: Wheel) -> Sequence[Entry]:
        """The files of a package as pip installed it, with its own ones where pip let another's be.

        Args:
            name: of the package.
            entries: its files.
            wheel: gives its wheel.
        """
        mine = {path for path, names in self._passed.items() if name in names}
        if not mine:
            return entries
        contents = Contents(self._cache, python=self._plan.python, wheel=wheel)
        own = contents.entries(next(package for package in self._packages if package.name == name))
        return [own[entry.path] if entry.path in mine else entry for entry in entries]

    def _place(self) -> Path:
        """The note that they can be together, by all that it depends on."""
        said = {
            "version": _VERSION,
            "python": self._plan.python,
            "accelerator": self._plan.accelerator,
            "packages": [[package.name, package.sha256] for package in self._packages],
            "allowed": [asdict(each) for each in self._plan.allowed],
            "rules": [
                Digest.of_file(RULES),
                Digest.of_file(RULES_OF_LIBRARIES),
            ],
        }
        return self._cache.layers / f"{Digest.of(canonical_json(said)).hex}.together"

    def _noted(self) -> Mapping[str, Sequence[str]] | None:
        try:
            noted = json.loads(self._place().read_bytes())
            passed, unused = dict(noted["passed"]), list(noted["unused"])
        except (OSError, ValueError, TypeError, KeyError):  # there is none, or it is looked at once more
            return None
        self._say(unused)
        return passed

    def _say(self, unused: Sequence[str]) -> None:
        for each in unused:
            self._progress.warn(each)


def _in_cache(cache: Cache, package: LockedPackage) -> Path | None:
    path = cache.input(package.sha256)
    return path if is_sound(path, package.sha256) else None
