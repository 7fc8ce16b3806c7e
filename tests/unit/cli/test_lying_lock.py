"""A lock that is wrong about a file, as a user meets it: with everything cached, built and pushed before."""

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from os import environ
from pathlib import Path

import pytest
from packaging.version import Version

from mlimage.errors import BuildError
from mlimage.lock.model import Lock
from mlimage.lock.text import read_lock, write_lock
from mlimage.oci.model import SealedImage
from mlimage.oci.store import Store
from mlimage.release.ready import members_of
from mlimage.spec.load import load_spec
from mlimage.spec.project import Project
from support.locks import CPU
from support.offline import Offline, offline_project

HINT = (
    "hint: lock files are not edited by hand: restore the folder from version control, "
    "or delete it and run `mlimage lock`\n"
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Offline:
    """Built and recorded."""
    found = offline_project(tmp_path_factory.mktemp("tiny"), files={})
    assert mlimage(found, "build", "--record") == (0, "")
    return found


def mlimage(tiny: Offline, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "mlimage", *words, "-C", str(tiny.root)],
        env={**environ, "MLIMAGE_CACHE": str(tiny.cache.root)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, "".join(re.findall(r"^(?:error|hint): .*\n", done.stderr, re.MULTILINE))


def folder(tiny: Offline) -> Path:
    return tiny.root / "lockfiles" / "tiny"


def wheel(**change: object) -> Callable[[Lock], Lock]:
    def tell(lock: Lock) -> Lock:
        one, *others = lock.packages
        return replace(lock, packages=(replace(one, **change), *others))  # type: ignore[arg-type] # its fields

    return tell


def deb(**change: object) -> Callable[[Lock], Lock]:
    def tell(lock: Lock) -> Lock:
        [only] = lock.base.debs
        return replace(lock, base=replace(lock.base, debs=(replace(only, **change),)))  # type: ignore[arg-type]

    return tell


@pytest.mark.parametrize(
    ("lie", "said"),
    [
        (
            wheel(version=Version("1.1"), file="one-1.1-py3-none-any.whl"),
            r"error: the metadata of `one-1.1-py3-none-any.whl` says that it is `one` `1.0`",
        ),
        (wheel(size=5), r"error: the lock says that `one-1.0-py3-none-any.whl` has 5 bytes, and it has \d+"),
        (deb(size=5), r"error: the lock says that `python.*.deb` has 5 bytes, and it has \d+"),
    ],
)
def test_it_is_not_built(lie: Callable[[Lock], Lock], said: str, tiny: Offline) -> None:
    true = read_lock(folder(tiny), CPU)
    write_lock(folder(tiny), lie(true))
    try:
        status, told = mlimage(tiny, "build")
    finally:
        write_lock(folder(tiny), true)
    assert status == 4
    assert re.fullmatch(f"{said}\n{re.escape(HINT)}", told), told
    assert mlimage(tiny, "build") == (0, "")


@pytest.mark.parametrize("words", [("lock", "--check"), ("sbom", "tiny"), ("build",)])
def test_what_contradicts_itself_is_seen_offline(words: tuple[str, ...], tiny: Offline) -> None:
    true = read_lock(folder(tiny), CPU)
    write_lock(folder(tiny), wheel(version=Version("1.1"))(true))
    try:
        status, told = mlimage(tiny, *words)
    finally:
        write_lock(folder(tiny), true)
    assert status == 4
    assert ": `file` does not match `one` 1.1\n" in told


@pytest.mark.parametrize("lie", [wheel(size=5), wheel(license="MIT"), wheel(required_by=("two",))])
def test_it_is_not_pushed(lie: Callable[[Lock], Lock], tiny: Offline) -> None:
    loaded = load_spec(tiny.root / "images" / "tiny", shown="images/tiny")
    store, true = Store(tiny.cache.store), read_lock(folder(tiny), CPU)

    def members(lock: Lock) -> list[SealedImage]:
        found = members_of(loaded, [(CPU, lock)], store, project=Project(tiny.root), cache=tiny.cache)
        return [member.image for member in found]

    [image] = members(true)
    with pytest.raises(BuildError) as caught:
        members(lie(true))
    short = image.image_id.short
    said = f"`tiny:cpu` is not built as it stands here; since {short} was built:\n  lock: `cpu.toml` changed"
    assert str(caught.value) in {said, f"{said}, `cpu.txt` changed"}
    assert caught.value.hint == "`mlimage build tiny` builds it"
