"""How long locks of the shipped images take, against pip-compile, which resolves the same packages.

Needs the network: an index of packages and Debian's archives. The peer is called once for each variant,
without `--generate-hashes`; it has neither a base to resolve nor files to look up, and runs on this python.
"""

import shutil
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from packaging.version import Version

from bench.measure import COUNT, MLIMAGE, Run, alternate, own, pair, timed
from bench.resolver import PipCompile
from mlimage.spec.project import Project
from support.machine import ROOT

TITLES: Final = {
    "cold": "lock, four images, empty caches",
    "cold_ranges": "  the peer with `fast-deps`",
    "check": "lock --check, four images",
    "changed_pin": "one small pin changed; peer: all anew",
    "changed_pin_warm": "  all anew, but nothing to fetch",
}
_CHANGED: Final = "digits-pytorch"
_PIN: Final = "fastapi<1"


class Locking:
    """A copy of the shipped images, and what mlimage keeps."""

    def __init__(self, folder: Path) -> None:
        self.project = Project(folder / "project")
        shutil.copytree(ROOT / "images", self.project.root / "images")
        self._cache = folder / "cache"
        self._made = folder / "made"

    def mlimage(self, *arguments: str) -> Run:
        """Run mlimage in the project."""
        return timed([MLIMAGE, *arguments], env={"MLIMAGE_CACHE": str(self._cache)}, cwd=self.project.root)

    def cold(self, *names: str) -> Run:
        """Locks that are not there, with nothing in the cache."""
        shutil.rmtree(self._cache, ignore_errors=True)
        return self.warm(*names)

    def warm(self, *names: str) -> Run:
        """Locks that are not there, with everything in the cache that is kept there."""
        for name in names or self.project.names():
            shutil.rmtree(self.project.lock_folder(name), ignore_errors=True)
        return self.mlimage("lock", *names)

    def changed(self) -> Run:
        """The lock of an image in whose spec a pin changed, so that one small package must move."""
        file, lock = self.project.spec_file(_CHANGED), self.project.lock_folder(_CHANGED)
        if not self._made.exists():
            shutil.copytree(lock, self._made)
        shutil.copytree(self._made, lock, dirs_exist_ok=True)
        text = file.read_text()
        name = _PIN.partition("<")[0]
        file.write_text(text.replace(_PIN, f"{_PIN},!={self.versions(_CHANGED, 'cpu')[name]}"))
        try:
            return self.mlimage("lock", _CHANGED)
        finally:
            file.write_text(text)

    def versions(self, name: str, variant: str) -> dict[str, Version]:
        """What is locked."""
        lock = tomllib.loads((self.project.lock_folder(name) / f"{variant}.toml").read_text())
        return {package["name"]: Version(package["version"]) for package in lock["package"]}


def measure() -> dict[str, Any]:
    """The medians, and how many of the peer's versions differ from what is locked."""
    with tempfile.TemporaryDirectory(prefix="mlimage-bench-") as scratch:
        locking = Locking(Path(scratch))
        peer, lean = (
            PipCompile(locking.project, Path(scratch) / name, *options)
            for name, options in (("peer", ()), ("lean", ("--pip-args=--use-feature=fast-deps",)))
        )
        print("locking in turn with pip-compile …", flush=True)
        cold, theirs, ranges = alternate(COUNT, locking.cold, peer.cold, lean.cold)
        differing = _differing(locking, peer.versions)
        print("locking anew after a change …", flush=True)
        changed, warm, full = alternate(
            2 * COUNT, locking.changed, lambda: locking.warm(_CHANGED), lambda: locking.cold(_CHANGED)
        )
        checked = [timed([MLIMAGE, "lock", "--check"], cwd=ROOT) for _ in range(2 * COUNT)]
    return {
        "cold": pair(cold, theirs),
        "cold_ranges": pair(cold, ranges),
        "check": own(checked),
        "changed_pin": pair(changed, full),
        "changed_pin_warm": pair(changed, warm),
        "differing": differing,
    }


def remarks(result: Mapping[str, Any]) -> Sequence[str]:
    """What the table does not say."""
    return (
        "peer: pip-compile, once for each variant. Where an index has no metadata files, it fetches whole",
        "wheels, as mlimage never does; with `fast-deps` it reads the ends of wheels, too",
        f"versions that differ between both: {', '.join(result['differing']) or 'none'}",
    )


def _differing(locking: Locking, theirs: Mapping[tuple[str, str], Mapping[str, Version]]) -> list[str]:
    return [
        f"{package} in {name}:{variant}"
        for (name, variant), versions in sorted(theirs.items())
        for package in sorted({**versions, **locking.versions(name, variant)})
        if versions.get(package) != locking.versions(name, variant).get(package)
    ]
