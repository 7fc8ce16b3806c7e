"""Stale locks are named by what differs, offline."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.version import Version

from mlimage.digest import Digest
from mlimage.errors import LockError, UsageError
from mlimage.lock.check import check, contradictions, differences, normalized, wanted_by
from mlimage.lock.model import Lock, Wanted, WantedImage
from mlimage.spec.load import LoadedSpec, load_spec
from mlimage.spec.tags import ImageTag
from support import locks
from support.locks import CPU

SPEC = """\
name: digits
python: "3.11"
base: {debian: bookworm, packages: [git]}
train:
  command: python train.py
dependencies:
  - numpy>=2
  - Scikit_Learn [b, a] < 2
"""


def load(tmp_path: Path, text: str = SPEC) -> LoadedSpec:
    folder = tmp_path / "digits"
    (folder / "app").mkdir(parents=True, exist_ok=True)
    (folder / "app" / "train.py").touch()
    (folder / "mlimage.yaml").write_text(text)
    return load_spec(folder, shown="images/digits")


def locked(loaded: LoadedSpec) -> Lock:
    lock = locks.lock([locks.package("numpy", "2.1"), locks.package("scikit-learn", "1.7")])
    base = replace(
        lock.base, debs=tuple(sorted((*lock.base.debs, locks.deb("git")), key=lambda deb: deb.name))
    )
    return replace(lock, wanted=wanted_by(loaded, CPU), base=base)


@pytest.mark.parametrize(
    ("text", "spelling"),
    [
        (
            "Scikit_Learn [b,a] <2, >= 1.3 ; python_version<'3.12'",
            'scikit-learn[a,b]<2,>=1.3; python_version < "3.12"',
        ),
        ("numpy", "numpy"),
        ("zope.interface~=1.0", "zope-interface~=1.0"),
    ],
)
def test_one_spelling(text: str, spelling: str) -> None:
    assert normalized(text) == spelling
    assert normalized(spelling) == spelling


def test_order_spelling_comments_and_places_do_not_count(tmp_path: Path) -> None:
    other = """\
name: digits
python: "3.11"
base:
  debian: bookworm
  packages: [git, git]
train:
  command: [python, train.py]   # another comment
  dependencies: ["numpy >= 2"]
dependencies: ["scikit.learn[a,b]<2", "numpy>=2"]
"""
    assert wanted_by(load(tmp_path / "one"), CPU) == wanted_by(load(tmp_path / "two", other), CPU)


def test_a_good_lock_passes(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    check(loaded, locked(loaded))


def test_everything_that_differs_is_named(tmp_path: Path) -> None:
    lock = locked(load(tmp_path))
    changed = load(
        tmp_path,
        """\
name: digits
python: "3.13"
base: {debian: trixie, packages: [curl]}
train:
  command: python train.py
dependencies:
  - numpy>=2.1
  - pandas
indexes:
  team: {url: "https://packages.example.com/simple", packages: [pandas]}
""",
    )
    with pytest.raises(LockError) as caught:
        check(changed, lock)
    assert str(caught.value) == (
        "the lock of `digits:cpu` is stale:\n"
        "  python: 3.11 → 3.13\n"
        "  base: bookworm → trixie\n"
        "  base package added: curl\n"
        "  base package removed: git\n"
        "  requirement changed: numpy>=2 → numpy>=2.1\n"
        "  requirement added: pandas\n"
        "  requirement removed: scikit-learn[a,b]<2\n"
        "  index added: team"
    )
    assert caught.value.hint == "`mlimage lock digits` brings it up to date"
    assert caught.value.exit_status == 4


def test_the_binding_of_indexes_counts_and_names_no_host(tmp_path: Path) -> None:
    def with_index(url: str, packages: str) -> Wanted:
        text = f"{SPEC}indexes:\n  team: {{url: '{url}', packages: [{packages}]}}\n"
        return wanted_by(load(tmp_path, text), CPU)

    one = with_index("https://one.example.com/simple", "numpy")
    assert "example" not in repr(one)
    assert differences(one, with_index("https://one.example.com/simple/", "NumPy")) == ()
    assert differences(one, with_index("https://two.example.com/simple", "scikit-learn")) == (
        "index `team`: its URL changed",
        "index `team`: package added: scikit-learn",
        "index `team`: package removed: numpy",
    )


def test_pins_that_nobody_resolved(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    lock = locked(loaded)
    numpy, sklearn = lock.packages
    other = replace(
        sklearn, name="scipy", index="team", file="scipy-1.7-cp312-cp312-manylinux_2_28_x86_64.whl"
    )
    lock = replace(lock, packages=(replace(numpy, version=Version("1.26")), other))
    lock = replace(lock, base=replace(lock.base, debs=lock.base.debs[1:]))
    with pytest.raises(LockError) as caught:
        check(loaded, lock)
    assert str(caught.value) == (
        "the lock of `digits:cpu` is not what was resolved:\n"
        "  `numpy==1.26` is locked, and `numpy>=2` is asked for\n"
        "  `Scikit_Learn[a,b]<2` is asked for, and no package of that name is locked\n"
        "  `scipy` is locked from the index `team`, and must come from `default`\n"
        "  `scipy-1.7-cp312-cp312-manylinux_2_28_x86_64.whl` is locked, "
        "but the python of the base cannot install it\n"
        "  base package `git` is asked for, and not locked"
    )


ON_IMAGE = SPEC.replace("{debian: bookworm, packages: [git]}", "{image: 'python:3.11-slim', packages: [git]}")


def test_a_base_that_is_an_image(tmp_path: Path) -> None:
    loaded = load(tmp_path, ON_IMAGE)
    wanted = wanted_by(loaded, CPU)
    assert (wanted.suite, wanted.packages) == (None, ("git",))
    assert wanted.image == WantedImage(
        reference=Digest.of(b"docker.io/library/python:3.11-slim"), name="library/python:3.11-slim"
    )
    base = locks.image_base(debs=["git"])
    lock = replace(locked(load(tmp_path)), wanted=wanted, base=base)
    check(loaded, lock)
    assert contradictions(loaded, replace(lock, base=replace(base, debs=()))) == (), (
        "the image has git itself"
    )
    assert contradictions(
        loaded, replace(lock, base=replace(base, reference=Digest.of(b""), packages=()))
    ) == (
        "the base is library/python for linux/amd64 with python 3.11",
        "base package `git` is asked for, and not locked",
    )
    assert contradictions(loaded, replace(lock, base=locked(load(tmp_path)).base)) == (
        "the base is bookworm for linux/amd64 with python 3.11",
    )


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("{debian: bookworm, packages: [git]}", ("base: library/python:3.11-slim → bookworm",)),
        (
            "{image: 'python:3.12', packages: [git]}",
            ("base: library/python:3.11-slim → library/python:3.12",),
        ),
        (
            "{image: 'r.example/library/python:3.11-slim', packages: [git]}",
            ("base: library/python:3.11-slim is to come from another registry",),
        ),
        ("{image: 'docker.io/library/python:3.11-slim', packages: [git]}", ()),
        ("{image: 'python:3.11-slim'}", ("base package removed: git",)),
    ],
)
def test_another_base(text: str, lines: tuple[str, ...], tmp_path: Path) -> None:
    before = wanted_by(load(tmp_path, ON_IMAGE), CPU)
    after = wanted_by(load(tmp_path, SPEC.replace("{debian: bookworm, packages: [git]}", text)), CPU)
    assert differences(before, after) == lines
    assert (before.digest == after.digest) is (lines == ())


def test_the_full_version_of_an_image_s_python(tmp_path: Path) -> None:
    text = ON_IMAGE.replace("- numpy>=2\n", "- numpy>=2\n  - six; python_full_version >= '3.11.9'\n")
    loaded = load(tmp_path, text)
    lock = replace(locked(load(tmp_path)), wanted=wanted_by(loaded, CPU), base=locks.image_base(debs=["git"]))
    assert contradictions(loaded, lock) == (
        '`six; python_full_version >= "3.11.9"` is asked for, and no package of that name is locked',
    )


def test_markers_are_those_of_the_image(tmp_path: Path) -> None:
    text = SPEC.replace(
        "- numpy>=2\n",
        "- numpy>=2\n  - pywin32; sys_platform == 'win32'\n  - six; python_full_version >= '3.11.2'\n",
    )
    loaded = load(tmp_path, text)
    assert contradictions(loaded, locked(loaded)) == ()
    lock = locked(loaded)
    interpreter = replace(locks.deb("python3.11-minimal", "3.11.2-6+deb12u9"))
    debs = tuple(interpreter if deb.name == interpreter.name else deb for deb in lock.base.debs)
    assert contradictions(loaded, replace(lock, base=replace(lock.base, debs=debs))) == (
        '`six; python_full_version >= "3.11.2"` is asked for, and no package of that name is locked',
    )


def test_an_unknown_variant(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        wanted_by(load(tmp_path), ImageTag(variant="gpu"))
    assert str(caught.value) == "`digits` has no variant `gpu`"
    assert caught.value.hint == "its variants: `cpu`"


def test_checking_imports_no_resolver() -> None:
    code = (
        "import mlimage.lock.check, mlimage.lock.text, sys\n"
        "print([name for name in ('pip', 'piptools', 'requests') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
