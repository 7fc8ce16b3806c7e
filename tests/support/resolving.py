"""Locks packages of indexes on loopback as `mlimage lock` does, with the real resolvers, on this python."""

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import pytest
from packaging.version import Version

from mlimage.cache import Cache
from mlimage.content.ownpython import own_python
from mlimage.errors import MlimageError
from mlimage.lock.changes import Upgrade
from mlimage.lock.compile import PIP_COMPILE
from mlimage.lock.model import Lock, LockedPackage
from mlimage.lock.packages import lock_packages
from mlimage.lock.resolver import Resolver
from mlimage.lock.sources import Sources
from mlimage.lock.uv import Uv, find_uv
from mlimage.process import run
from mlimage.progress import SILENT
from mlimage.spec.model import ImageSpec
from mlimage.spec.requirements import SpecRequirement
from support.webserver import Offered, WebServer
from support.wheels import make_wheel

AS_OF = datetime(2026, 6, 1, tzinfo=UTC)

RESOLVERS: Mapping[str, Resolver] = {
    "pip-compile": PIP_COMPILE,
    "uv": Uv(program=find_uv(os.environ["PATH"])),
}


class Index:
    """A small world of packages: `app` needs `lib`, which has versions 1.0 and 2.0.

    Args:
        web: the default index.
        resolver: decides versions.
        folder: for wheels and the cache.
        team: an index besides.
        bound: what comes from there.
    """

    def __init__(
        self,
        web: WebServer,
        resolver: Resolver,
        folder: Path,
        *,
        team: WebServer | None = None,
        bound: Sequence[str] = (),
    ) -> None:
        self.team = team
        self.bound = tuple(bound)
        self.indexes: dict[str, object] = {}
        self.environ: dict[str, str] = {"MLIMAGE_MIRROR_DEFAULT": web.index, "HOME": str(folder)}
        self.web = web
        self.resolver = resolver
        self.folder = folder
        self.add("lib", "1.0")
        self.add("lib", "2.0")
        self.add("app", "1.0", requires=["lib>=1"])

    def add(
        self,
        name: str,
        version: str,
        *,
        requires: Sequence[str] = (),
        tag: str = "py3-none-any",
        headers: Sequence[str] = (),
        to: WebServer | None = None,
        **says: object,
    ) -> Offered:
        """Offer a wheel of the default index, or of the one that is named."""
        wheel = make_wheel(
            self.folder / ("team" if to else "wheels"),
            name,
            version,
            {f"{name}.py": b"x = 2\n" if to else b"x = 1\n"},
            requires=requires,
            tag=tag,
            headers=headers,
        )
        return (to or self.web).offer(name, wheel.name, wheel.read_bytes(), **says)

    def sources(self, cache: str = "cache") -> Sources:
        """Where files come from, as a verb opens them."""
        spec = ImageSpec.model_validate(
            {
                "name": "digits",
                "python": "3.11",
                "base": {"debian": "bookworm"},
                "train": {"command": ("python", "train.py")},
                "indexes": {
                    **({"team": {"url": self.team.index, "packages": self.bound}} if self.team else {}),
                    **self.indexes,
                },
            },
            strict=False,
        )
        return Sources(spec, "cpu", cache=Cache(self.folder / cache), environ=self.environ, progress=SILENT)

    def lock(
        self,
        *texts: str,
        previous: Lock | None = None,
        upgrade: Upgrade | None = None,
        constraints: Mapping[str, str] = MappingProxyType({}),
    ) -> tuple[tuple[LockedPackage, ...], dict[str, str]]:
        requirements = [
            SpecRequirement(
                text=text, place="dependencies", path="images/digits/mlimage.yaml", line=line, column=5
            )
            for line, text in enumerate(texts, 10)
        ]
        with self.sources() as sources:
            packages, notes = lock_packages(
                requirements,
                own_python(),
                own_python().describe(run),
                image="digits",
                previous=previous,
                constraints={name: Version(version) for name, version in constraints.items()},
                upgrade=upgrade or Upgrade(),
                as_of=AS_OF,
                resolver=self.resolver,
                indexes=sources.indexes,
                progress=sources.progress,
                run=run,
            )
        return packages, dict(notes)

    def pins(
        self, *texts: str, previous: Lock | None = None, upgrade: Upgrade | None = None
    ) -> dict[str, str]:
        packages, _ = self.lock(*texts, previous=previous, upgrade=upgrade)
        return {package.name: str(package.version) for package in packages}

    def error(self, *texts: str) -> MlimageError:
        with pytest.raises(MlimageError) as caught:
            self.lock(*texts)
        return caught.value
